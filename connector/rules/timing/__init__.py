"""When a message may be sent: delays, hours of the day and frequency caps. Imports `model`."""
