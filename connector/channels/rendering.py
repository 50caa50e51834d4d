"""Render one message of a follow-up into what its channel gets: sends, previews and test sends do it alike."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from functools import partial

from connector.channels.protocol import Address, OutgoingMessage, Rejected
from connector.rules.model.campaigns import Campaign
from connector.rules.model.follow_up import FollowUp
from connector.rules.model.messages import Messages
from connector.rules.model.users import User
from connector.templating.links import leads_elsewhere
from connector.templating.templates import RenderMoment, is_quick, render, template_variables
from connector.templating.threads import run_in_thread
from connector.tracking.text_links import hosts_in


@dataclass(frozen=True)
class MessageToRender:
    """One channel's message of one follow-up, as of `moment`.

    `campaign` is the newest live definition, `content` the user's content of it.
    """

    delivery_id: str
    follow_up: FollowUp
    channel: str
    user: User
    campaign: Campaign
    content: Messages
    moment: RenderMoment


async def render_message(message: MessageToRender, link_hosts: Collection[str]) -> OutgoingMessage:
    """Render a message for its channel, beside the event loop if it may take long.

    Args:
        link_hosts: hosts to which user data may lead a link; none: not checked, `apply` refuses such links.

    Raises:
        RenderingFailed, MessageAborted: the message cannot or must not be sent.
        Rejected: user data leads a link to a host that is not listed.
    """
    user, content, channel = message.user, message.content, message.channel
    variables = template_variables(message.follow_up, user, message.campaign)
    work = partial(render, content, channel, variables, message.moment)
    rendered = work() if is_quick(content, channel, variables) else await run_in_thread(work)
    if link_hosts and leads_elsewhere(getattr(content, channel), rendered, link_hosts):
        raise Rejected("link_host_refused", "a link leads to a host that is neither written nor listed")
    sms = content.sms if channel == "sms" else None
    return OutgoingMessage(
        delivery_id=message.delivery_id,
        campaign=message.follow_up.campaign,
        channel=channel,
        address=Address(user.id, user.email, user.phone, tuple(user.push_tokens)),
        content=rendered,
        hosts=None if sms is None else hosts_in(sms.body),
    )
