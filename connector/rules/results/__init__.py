"""What a campaign achieved: conversions and uplift. Imports `model`, `targeting` and `catalogue`."""
