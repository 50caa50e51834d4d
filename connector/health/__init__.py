"""The health of an installation: facts that are gathered with deadlines, and pure decisions about them."""
