"""The health of an installation: facts that are loaded within deadlines, and pure decisions about them."""
