"""`connector dev`: Temporal, a worker and the API on one machine, supervised. Imports `connector`."""
