"""Settings, read from CONNECTOR_* environment variables. Imports `rules`."""
