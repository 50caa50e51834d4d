"""The actor of tests, as the audit trail names it."""

from connector.rules.model.audit import Actor, ActorKind

OPERATOR = Actor(ActorKind.COMMAND_LINE, "operator", origin="test")
