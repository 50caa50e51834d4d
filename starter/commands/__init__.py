"""The commands of `connector`, one module a group."""
