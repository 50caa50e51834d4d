"""Webhooks of email and SMS providers, one module each behind `protocol`. Imports `connector`, nothing of `starter`."""
