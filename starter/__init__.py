"""Everything that begins or steers work: the HTTP API, the command line, `connector dev`."""
