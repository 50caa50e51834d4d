"""Webhooks that providers call: one module a provider, behind `protocol`."""
