"""The values that the rules work on: campaigns, interactions, users, follow-ups. Imports no package of `rules`."""
