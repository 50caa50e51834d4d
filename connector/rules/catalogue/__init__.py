"""What is published, since when, and which follow-on listens to what. Imports `model` and `targeting`."""
