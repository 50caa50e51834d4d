"""Everything that begins or steers work: the HTTP API, the command line, and `connector dev`."""
