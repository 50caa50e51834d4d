"""What providers report of messages: events, attribution, outcomes, consent. Imports `model`."""
