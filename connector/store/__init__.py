"""All state, in SQL on SQLite and PostgreSQL: functions of a `Transaction`. Imports only `connector.rules`."""
