"""The code shared by worker, API and command line. Imports nothing of `workflows`, `activities` or `starter`."""
