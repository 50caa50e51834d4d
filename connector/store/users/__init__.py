"""Users, their descriptions, log and inbox, suppressed addresses and API keys. Imports `engine`."""
