"""What every HTTP request passes: admission, bodies, errors, logs."""
