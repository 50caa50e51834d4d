"""What pages are made of: tables, chips, times, empty states, confirmations, errors, charts."""
