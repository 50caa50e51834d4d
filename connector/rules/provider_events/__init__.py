"""Providers' events: attribution, effects, consent, classification, the plan of a batch. Imports `sending` and below."""
