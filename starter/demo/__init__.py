"""`connector demo`: plays three use cases on a real server within about a minute. Imports `starter.dev`."""
