"""Connections, transactions, statements about many rows, migrations. Imports only the tables."""
