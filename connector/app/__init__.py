"""The composition root of a process: context, configuration, logs, preflight, shutdown. Imports all of `connector`."""
