"""Follow-ups with their deliveries, receipts and launches, and what the outbox has to do. Imports `engine`, `users`."""
