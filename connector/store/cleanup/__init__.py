"""Deletes what is past its use, in small transactions. Imports the other packages of the store."""
