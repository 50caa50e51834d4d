"""The handling of every HTTP request: admission, bodies, errors, logs."""
