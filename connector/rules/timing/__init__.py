"""The timing of messages: delays, hours of the day and frequency caps. Imports `model`."""
