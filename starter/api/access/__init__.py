"""Who may call the HTTP API: keys, scopes, rates, inbox tokens, origins."""
