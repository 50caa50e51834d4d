"""Which addresses of Amazon SNS are asked: nothing but these two shapes, matched as a whole.

SNS tells in each message where its certificate is and where to confirm a subscription. Everybody can send us a message,
so these are addresses that strangers choose. Parsers of addresses disagree on odd ones; patterns as narrow as these
leave nothing to disagree on: no other host, no user, no port, no fragment, no dots in paths.

The host is SNS's in the topic's own region, and regions have a form: `sns.s3-us-west-2.amazonaws.com` is a bucket of
somebody's called "sns".
"""

from __future__ import annotations

import re

_REGION = re.compile(r"[a-z]{2}(?:-[a-z]+){1,3}-[0-9]{1,2}")
_CERTIFICATE = re.compile(r"/[A-Za-z0-9_-]{1,200}\.pem")
_CONFIRMATION = re.compile(r"/\?Action=ConfirmSubscription&[A-Za-z0-9%&=:._~+-]{1,2000}")


def is_certificate(url: str, topic: str) -> bool:
    """Whether SNS's certificate for messages of this topic (an ARN) may be fetched from there."""
    return _is_at_sns(url, topic, _CERTIFICATE)


def is_confirmation(url: str, topic: str) -> bool:
    """Whether a subscription to this topic (an ARN) may be confirmed there."""
    return _is_at_sns(url, topic, _CONFIRMATION)


def _is_at_sns(url: str, topic: str, path: re.Pattern[str]) -> bool:
    region = (topic.split(":") + [""] * 4)[3]
    host = f"https://sns.{region}.amazonaws.com{'.cn' if region.startswith('cn-') else ''}"
    at_host = _REGION.fullmatch(region) is not None and url.startswith(host)
    return at_host and path.fullmatch(url, len(host)) is not None
