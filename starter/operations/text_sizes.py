"""Count the segments of the text messages of definitions; a carrier charges for each segment."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from connector.channels.protocol import Address, OutgoingMessage
from connector.channels.tracked import open_tracker
from connector.rules.model.campaigns import AnyDefinition, Campaign
from connector.rules.model.follow_up import follow_up_id_of
from connector.rules.model.messages import Messages
from connector.rules.model.segments import count_segments
from connector.rules.sending.deliveries import delivery_id
from connector.settings.application import Settings
from connector.templating.dates import RenderMoment
from connector.templating.templates import MessageAborted, RenderingFailed, render
from connector.tracking.text_links import find_links, hosts_in

_DELIVERY = delivery_id(follow_up_id_of("sample", "u", "", "t", 0), "sms")


@dataclass(frozen=True)
class TextSize:
    """The size of a text message.

    Args:
        message: the key of the message in the definition.
        encoding: GSM-7 or UCS-2.
        units: septets in GSM-7, units of 16 bits in UCS-2.
        links: how many links it has; if tracking is configured, they are counted as long as tracked ones.
        depends_on_values: the text has markup, and its size is that with all values missing.
    """

    campaign: str
    message: str
    encoding: str
    units: int
    segments: int
    links: int
    depends_on_values: bool


def measure_texts(definitions: Sequence[AnyDefinition], settings: Settings, at: datetime) -> list[TextSize]:
    """Return the sizes of the text messages of campaigns, as of `at` (UTC); of one that fails or aborts, none."""
    campaigns = [definition for definition in definitions if isinstance(definition, Campaign)]
    return [
        size
        for campaign in campaigns
        for key, messages in _messages(campaign)
        if messages.sms is not None and (size := _measure(campaign, key, messages, settings, at))
    ]


def _messages(campaign: Campaign) -> Iterator[tuple[str, Messages]]:
    if campaign.messages is not None:
        yield "messages.sms", campaign.messages
    for number, variant in enumerate(campaign.variants or ()):
        yield f"variants[{number}].messages.sms", variant.messages


def _measure(campaign: Campaign, key: str, messages: Messages, settings: Settings, at: datetime) -> TextSize | None:
    template = messages.sms.body if messages.sms else ""
    variables = {"campaign": {"id": campaign.id, "name": campaign.name or campaign.id}}
    try:
        content = render(messages, "sms", variables, RenderMoment(at, "UTC"))
    except (RenderingFailed, MessageAborted):
        return None
    message = OutgoingMessage(_DELIVERY, campaign.id, "sms", Address("u"), content, hosts=hosts_in(template))
    tracker = open_tracker(settings)
    body: str = (tracker.track(message, at) if tracker else message).content["body"]
    count, links = count_segments(body), sum(1 for _ in find_links(content["body"]))
    has_markup = "{{" in template or "{%" in template
    return TextSize(campaign.id, key, count.encoding, count.units, count.segments, links, has_markup)
