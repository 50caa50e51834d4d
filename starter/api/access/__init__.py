"""Access to the HTTP API: keys, scopes, rates, inbox tokens, origins."""
