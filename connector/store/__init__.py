"""What happened, stored in SQL on SQLite and PostgreSQL. Imports `connector.rules` only."""
