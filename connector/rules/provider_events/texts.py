"""What providers tell, in texts that every database stores and that are not longer than they need to be."""

from __future__ import annotations

from dataclasses import replace

from connector.rules.provider_events.events import ProviderEvent

_LONGEST = {"message_id": 998, "sent_id": 998, "recipient": 320, "url": 16_384, "agent": 512, "fault": 64}
_MOST_ARGUMENTS = 50
_LONGEST_ARGUMENT = 1000


def cleaned(event: ProviderEvent) -> ProviderEvent:
    """The event without null characters and halves of characters, bounded; what is too long is cut off."""
    texts = {name: _text(getattr(event, name), most) for name, most in _LONGEST.items()}
    arguments = list(event.arguments.items())[:_MOST_ARGUMENTS]
    return replace(
        event,
        **texts,  # type: ignore[arg-type]
        id=_text(event.id, None) or "",
        arguments={_text(n, _LONGEST_ARGUMENT) or "": _text(v, _LONGEST_ARGUMENT) or "" for n, v in arguments},
    )


def _text(value: str | None, most: int | None) -> str | None:
    if value is None:
        return None
    return value[:most].replace("\0", "").encode(errors="replace").decode()
