"""The 21 interactions in plain words, by channel: what a user does with the target, as a marketer would say it.

Each text continues "somebody …". A test keeps the table equal to `InteractionType`.
"""

from __future__ import annotations

from collections.abc import Mapping

from connector.rules.model.interactions import InteractionType

T = InteractionType

INTERACTION_GROUPS: Mapping[str, Mapping[InteractionType, str]] = {
    "Email": {
        T.RECEIVE_EMAIL: "receives the email",
        T.OPEN_EMAIL: "opens the email",
        T.CLICK_EMAIL: "clicks a link in the email",
        T.CLICK_EMAIL_ALIAS: "clicks an aliased link in the email",
    },
    "Push": {
        T.RECEIVE_PUSH: "receives the push",
        T.OPEN_PUSH: "opens the push",
        T.CLICK_PUSH_BUTTON: "taps a button of the push",
        T.CLICK_PUSH_STORY_PAGE: "taps a page of the push story",
    },
    "Text message": {
        T.RECEIVE_SMS: "receives the text message",
        T.CLICK_SMS_LINK: "clicks a link in the text message",
    },
    "In-app message": {
        T.VIEW_IN_APP_MESSAGE: "sees the in-app message",
        T.CLICK_IN_APP_MESSAGE: "clicks anywhere in the in-app message",
        T.CLICK_IN_APP_MESSAGE_BUTTON: "clicks a button of the in-app message",
    },
    "Content card": {
        T.VIEW_CONTENT_CARD: "sees the content card",
        T.CLICK_CONTENT_CARD: "clicks the content card",
        T.DISMISS_CONTENT_CARD: "dismisses the content card",
    },
    "News Feed card": {
        T.VIEW_NEWS_FEED_CARD: "sees the News Feed card",
        T.CLICK_NEWS_FEED_CARD: "clicks the News Feed card",
    },
    "Webhook": {
        T.RECEIVE_WEBHOOK: "is sent the webhook",
    },
    "Any channel": {
        T.PERFORM_CONVERSION_EVENT: "converts",
        T.ENROLL_IN_CONTROL_GROUP: "enters the control group",
    },
}
"""By channel, in the order in which people look for them."""

INTERACTION_WORDS: Mapping[InteractionType, str] = {
    type: words for group in INTERACTION_GROUPS.values() for type, words in group.items()
}
