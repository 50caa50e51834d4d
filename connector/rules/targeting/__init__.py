"""The users whom a campaign concerns: matching, audiences, eligibility, assignment, deduplication. Imports `model`."""
