"""The catalogue of published entries, and the dependencies between them. Imports `model` and `targeting`."""
