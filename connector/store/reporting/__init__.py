"""Reads for operators: listings, counts, results, and the record of one user. Imports all other packages."""
