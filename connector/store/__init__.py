"""What happened, remembered in SQL: SQLite embedded, PostgreSQL where one machine is not enough."""
