"""What the edges of Campaign Connector share: rules, store, intake, outbox, channels and Temporal's seam."""
