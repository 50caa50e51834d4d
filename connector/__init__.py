"""What the worker, the API and the command line share. Imports nothing of `workflows`, `activities` or `starter`."""
