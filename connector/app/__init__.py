"""The composition root of a process: context, configuration, logs, preflight, shutdown.

Imports everything in `connector`.
"""
