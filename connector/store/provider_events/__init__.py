"""Providers' events as stored: applied ones, unmatched ones, and what they match. Imports `engine` and `users`."""
