"""The activities: claims, sends, publishing, recording. Imports `connector`, never `workflows` or `starter`."""
