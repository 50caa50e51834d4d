"""Links of ours that providers tell of: their own click tracking goes around ours, and reports our address."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from connector.tracking.tokens import Kind, Token, TokenExpired, TokenInvalid, Tokens


@dataclass(frozen=True)
class OwnLinks:
    """Reads our links; without tokens or address there are none.

    Args:
        base: the public address of our endpoints, without a slash at its end.
    """

    tokens: Tokens | None
    base: str | None

    @property
    def are_set_up(self) -> bool:
        """Whether our mails carry links and pixels of ours."""
        return self.tokens is not None and self.base is not None

    def read(self, url: str | None, at: datetime) -> Token | None:
        """What our link says, as of `at` (aware); None for any other link. What was added behind it does not matter."""
        if url is None or self.tokens is None or self.base is None or not url.startswith(f"{self.base}/"):
            return None
        path = url[len(self.base) + 1 :].partition("?")[0].partition("#")[0]
        kind, _, text = path.partition("/")
        try:
            return self.tokens.read(text, Kind(kind), at=at)
        except (TokenInvalid, TokenExpired, ValueError):
            return None
