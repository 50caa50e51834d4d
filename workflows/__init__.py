"""Keep the time: the follow-up, launch and registry workflows.

Imports `connector.rules`, `connector.names` and `connector.wire`; calls activities by the signatures in `steps`.
"""
