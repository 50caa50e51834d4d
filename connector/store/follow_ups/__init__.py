"""Follow-ups, deliveries, receipts and launches. Imports `engine` and `users`."""
