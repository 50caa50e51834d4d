"""Which addresses of Amazon SNS are asked: nothing but these two shapes, matched as a whole.

SNS tells in each message where its certificate is and where to confirm a subscription. Everybody can send us a message,
so these are addresses that strangers choose. Parsers of addresses disagree on odd ones; patterns as narrow as these
leave nothing to disagree on: no other host, no user, no port, no fragment, no dots in paths.
"""

from __future__ import annotations

import re

_HOST = r"https://sns\.[a-z0-9]+(?:-[a-z0-9]+){1,5}\.amazonaws\.com(?:\.cn)?"
_CERTIFICATE = re.compile(_HOST + r"/[A-Za-z0-9_-]{1,200}\.pem")
_CONFIRMATION = re.compile(_HOST + r"/\?Action=ConfirmSubscription&[A-Za-z0-9%&=:._~+-]{1,2000}")


def is_certificate(url: str) -> bool:
    """Whether a certificate of SNS's may be fetched from there."""
    return len(url) <= 300 and _CERTIFICATE.fullmatch(url) is not None


def is_confirmation(url: str) -> bool:
    """Whether a subscription may be confirmed there."""
    return len(url) <= 2400 and _CONFIRMATION.fullmatch(url) is not None
