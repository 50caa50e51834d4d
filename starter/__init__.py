"""Everything that begins or steers work: HTTP API, webhooks, command line, `connector dev`. Imports `connector`."""
