"""The HTTP edge: one module a resource, one shape for every error."""
