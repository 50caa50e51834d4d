"""Connections, transactions, bulk statements and migrations. Imports the tables, nothing else of `store`."""
