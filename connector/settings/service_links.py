"""Variables that Kubernetes and Docker write into containers for each service, which are no settings of anybody.

A service `connector-api` makes CONNECTOR_API_PORT=tcp://10.0.0.7:8080, CONNECTOR_API_SERVICE_HOST and more (Kubernetes,
"Service: environment variables"). A pod has none of them with `enableServiceLinks: false`.
"""

from __future__ import annotations

import re

_NAME = re.compile(r".+_(SERVICE_HOST|SERVICE_PORT(_[A-Z0-9_]+)?|PORT_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)", re.I)
_ADDRESS = re.compile(r"(tcp|udp|sctp)://[^/]+", re.I)


def is_service_link(name: str, value: str) -> bool:
    """Return whether a variable describes a service: by its name, or CONNECTOR_X_PORT by the address in its value."""
    is_address = name.upper().endswith("_PORT") and _ADDRESS.fullmatch(value)
    return bool(_NAME.fullmatch(name) or is_address)
