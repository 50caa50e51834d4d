"""The rules: pure models and decisions. No clock, no randomness, no input or output."""
