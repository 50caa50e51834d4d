"""The workflows: follow-up, launch and registry.

Imports `connector.rules`, `connector.names` and `connector.wire`; calls activities by `steps`.
"""
