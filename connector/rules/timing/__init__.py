"""When a message may go: delays, windows and frequency caps. Imports `model`."""
