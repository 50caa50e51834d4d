"""Benchmarks: each figure is a ratio to a bare baseline that is measured in the same run on the same server."""
