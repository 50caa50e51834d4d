"""The operations over HTTP: which request does the same, a client that sends it, and the API's errors as our own."""
