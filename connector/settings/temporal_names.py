"""The variables of Temporal's own configuration, which its SDK reads: to list those that are set, and notice slips.

Source: Temporal, "Environment configuration", and the variables in the SDK's core. Others are left alone: the program
`temporal` and other tools have some of their own.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from difflib import get_close_matches

PREFIX = "TEMPORAL_"
_SHOWN = (
    "TEMPORAL_ADDRESS",
    "TEMPORAL_NAMESPACE",
    "TEMPORAL_PROFILE",
    "TEMPORAL_CONFIG_FILE",
    "TEMPORAL_TLS",
    "TEMPORAL_TLS_CLIENT_CERT_PATH",
    "TEMPORAL_TLS_CLIENT_KEY_PATH",
    "TEMPORAL_TLS_SERVER_CA_CERT_PATH",
    "TEMPORAL_TLS_SERVER_CA_CERT_DATA",
    "TEMPORAL_TLS_SERVER_NAME",
    "TEMPORAL_TLS_DISABLE_HOST_VERIFICATION",
    "TEMPORAL_CODEC_ENDPOINT",
)
_MASKED = (
    "TEMPORAL_API_KEY",
    "TEMPORAL_TLS_CLIENT_CERT_DATA",
    "TEMPORAL_TLS_CLIENT_KEY_DATA",
    "TEMPORAL_CODEC_AUTH",
)
_METADATA = "TEMPORAL_GRPC_META_"
_MIN_SIMILARITY = 0.85


def list_temporal_variables(environment: Mapping[str, str], mask: str) -> Iterator[tuple[str, str]]:
    """Yield the name and the value of each variable that the SDK reads; secrets and metadata as the mask."""
    for name in sorted(environment):
        if name in _SHOWN:
            yield name, environment[name]
        elif name in _MASKED or name.startswith(_METADATA):
            yield name, mask


def find_temporal_slips(environment: Mapping[str, str]) -> Iterator[str]:
    """Yield a sentence for each variable that nearly has the name of one that the SDK reads, and is none."""
    known = (*_SHOWN, *_MASKED)
    for name in sorted(environment):
        if not name.startswith("TEM") or name in known or name.startswith(_METADATA):
            continue
        if meant := get_close_matches(name, known, 1, _MIN_SIMILARITY):
            yield f"Temporal's SDK does not read {name}; did you mean {meant[0]}?"
