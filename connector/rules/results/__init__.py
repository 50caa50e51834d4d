"""What a campaign achieved: conversions and uplift. Imports `model`, `catalogue` and `targeting`."""
