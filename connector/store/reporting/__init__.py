"""Read-only queries for people: lists, counts, results, histories. Imports the other packages of `store`."""
