"""Figures, each as a ratio to a bare baseline measured in the same run on the same embedded server."""
