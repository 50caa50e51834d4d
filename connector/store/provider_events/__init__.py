"""What providers reported, and the suppression list. Imports `engine`, `users` and `follow_ups`."""
