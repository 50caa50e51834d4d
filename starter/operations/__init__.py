"""The use cases behind the command line and the API. Imports `connector`; knows neither HTTP nor the terminal."""
