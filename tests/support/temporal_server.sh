#!/bin/sh
# Run the Temporal server of a test, and end it within a second after the process that started it was killed.
server=$$
(while kill -0 "$PPID" && kill -0 "$server"; do sleep 1; done; kill -9 "$server") 2>/dev/null &
exec "$TEST_TEMPORAL_PROGRAM" "$@"
