"""What providers report to us: one module a provider, each with its own way to prove who calls."""
