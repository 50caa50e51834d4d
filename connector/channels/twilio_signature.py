"""How Twilio signs what it sends (twilio.com/docs/usage/security#validating-requests).

The address as Twilio called it, then every form parameter, name and value, sorted by name: HMAC-SHA1 of that under the
account's auth token, in base64. SHA-1 is Twilio's choice; as a key of HMAC it is not known to be broken.
"""

from __future__ import annotations

import base64
import hmac
from collections.abc import Iterable
from urllib.parse import SplitResult, urlsplit

_DEFAULT_PORTS = {"http": 80, "https": 443}


def sign_request(url: str, parameters: Iterable[tuple[str, str]], auth_token: str) -> str:
    """The signature of a request to `url`, query included, with these form parameters."""
    signed = url + "".join(name + value for name, value in sorted(set(parameters)))
    return base64.b64encode(hmac.digest(auth_token.encode(), signed.encode(), "sha1")).decode()


def is_signed(signature: str, url: str, parameters: Iterable[tuple[str, str]], auth_token: str) -> bool:
    """Whether `signature` is Twilio's for this request. Twilio signs the address with its port, or without."""
    pairs = list(parameters)
    made = [sign_request(form, pairs, auth_token) for form in _with_and_without_port(urlsplit(url))]
    return any([hmac.compare_digest(one.encode(), signature.encode()) for one in made])


def _with_and_without_port(url: SplitResult) -> tuple[str, ...]:
    host = f"[{url.hostname}]" if ":" in (url.hostname or "") else url.hostname or ""
    port = url.port or _DEFAULT_PORTS.get(url.scheme, 443)
    return tuple(url._replace(netloc=netloc).geturl() for netloc in (url.netloc, host, f"{host}:{port}"))
