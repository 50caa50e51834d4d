"""Ingests interactions: parses, coalesces batches, logs and evaluates them. Imports `rules`, `store` and `segment`."""
