"""Use cases that the command line and the API share. Imports `connector`; knows neither HTTP nor the terminal."""
