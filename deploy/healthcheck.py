"""The image's health check: exit code 0 if this container's API, worker or console answers `/healthz`, else 1."""

from __future__ import annotations

import http.client
import os
import sys

PORTS = ("CONNECTOR_API_PORT", "CONNECTOR_WORKER_PORT", "CONNECTOR_CONSOLE_PORT")


def is_alive(port: int) -> bool:
    """Return whether a process on this port says within three seconds that it is alive."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=3)
    try:
        connection.request("GET", "/healthz")
        return connection.getresponse().status == 200
    except OSError:
        return False
    finally:
        connection.close()


if __name__ == "__main__":
    sys.exit(not any(is_alive(int(os.environ[name])) for name in PORTS if name in os.environ))
