"""What is published, since when, and who listens to what. Imports `model`."""
