"""Use cases that the command line and the API share. Imports `connector`; independent of HTTP and the terminal."""
