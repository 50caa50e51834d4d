"""The connection to Temporal: clients, outbox and reconciliation. Imports `rules`, `store`, `names` and `wire`."""
