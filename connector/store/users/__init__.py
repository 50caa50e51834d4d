"""Users with their ids, addresses and consent, their logged interactions and their inbox. Imports `engine`."""
