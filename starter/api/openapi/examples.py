"""An example request and response of every operation. A test sends each of them to the real program."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel

from starter.api.openapi import campaign_views, operator_views, overview_views, preview_views, views
from starter.api.openapi.campaign_examples import CAMPAIGN_EXAMPLES
from starter.api.openapi.example import AT, COUNTS, FOLLOW_UP, LIVE, SEND_AT, WINDOWS, Example, receipt_of
from starter.api.openapi.operator_examples import OPERATOR_EXAMPLES
from starter.api.openapi.overview_examples import OVERVIEW_EXAMPLES
from starter.api.openapi.segment_examples import SEGMENT_BATCH, SEGMENT_CALLS

_MESSAGE = "5c687d183c77fdced441437921fd3cc1"
_TRACKED = "bw1XAJ02ojffKSTRw20-N9uz2R0k8Uu0cPq3m2"
_SENDGRID = [
    {
        "event": "open",
        "email": "ada@shop.example",
        "timestamp": 1772452800,
        "sg_event_id": "ZGVsaXZlcmVk",
        "sg_message_id": "14c5d75ce93.filter0001.16648.5515E0B88.0",
        "campaign": "welcome",
        "user": "u-17",
    }
]
_ADA = {
    "id": "u-17",
    "email": "ada@shop.example",
    "phone": "+12025550123",
    "push_tokens": ["phone-1"],
    "time_zone": "Europe/Berlin",
    "first_name": "Ada",
    "attributes": {"tier": "gold"},
    "consent": {"email": "subscribed"},
}
_CONSENT_CHANGE = {
    **{"channel": "email", "old": None, "new": "subscribed", "changed_at": AT, "stated_at": None},
    **{"source": "operator", "changed_by": "key-1", "provider": None, "event": None},
    "words": "email: nothing stated → subscribed, by an operator (key-1)",
}
_DEFINITION = {
    "delivery": {
        "type": "action_based",
        "trigger": [{"interaction": "receive_push", "campaign": "abandoned-cart"}],
        "delay": {"after": "1 day"},
        "exceptions": [{"event": "make_purchase"}],
    },
    "messages": {"push": {"title": "Still thinking it over?", "body": "15% off until Sunday"}},
}
_REMINDER = {"id": "cart-reminder"}
_INTERACTION: dict[str, Any] = {
    "id": "evt-1",
    "type": "receive_push",
    "campaign": "abandoned-cart",
    "card": None,
    "properties": {},
    "happened_at": AT,
    "arrived_at": AT,
}
_WORKFLOW = f"follow-up/default/cart-reminder/0b6c1e7f/{FOLLOW_UP}"
_LISTED: dict[str, Any] = {
    "id": FOLLOW_UP,
    "workflow_id": _WORKFLOW,
    "campaign": "cart-reminder",
    "user": "u-17",
    "user_key": "0b6c1e7f",
    "trigger": "evt-1",
    "key": None,
    "triggered_at": AT,
    "due_at": SEND_AT,
    "next_at": SEND_AT,
    "state": "waiting",
    "reason": None,
    "decided_at": None,
    "channels": [],
    "waits": f"waits until {SEND_AT}",
}
_DECISION: dict[str, Any] = {
    "interaction": _INTERACTION,
    "state": "waiting",
    "reason": None,
    "words": "waits",
    "looked_at": [],
    "key": None,
    "follow_up": FOLLOW_UP,
    "workflow_id": _WORKFLOW,
    "revision": 1,
    "due_at": SEND_AT,
    "next_at": SEND_AT,
    "decided_at": None,
    "messages": [],
}
_EXPLANATION = {"campaign": "cart-reminder", "state": "active", "first_published_at": AT, "chapters": [_DECISION]}


_STOPPED = {
    "seq": 11,
    "at": AT,
    "actor": {"kind": "key", "id": "3f1c0a9e5b7d", "name": "deploy"},
    "origin": "10.0.0.7",
    "action": "stop",
    "subject": "cart-reminder",
    "outcome": "done",
    "reason": "the offer has ended",
    "details": {"changed": True},
    "act_id": "a8453037909240d59102b85b70371b5b",
    "request_id": "5f1f63ef1d6c4c0e9f0b2f6f0d1c9a55",
}

_PREVIEW: dict[str, Any] = {
    "campaign": "cart-reminder",
    "revision": 1,
    "state": "draft",
    "as_of": AT,
    "user": {"id": None, "is_invented": True},
    "trigger": {
        "id": "preview",
        "type": "receive_push",
        "campaign": "abandoned-cart",
        "card": None,
        "properties": {},
        "is_sample": True,
    },
    "due_at": SEND_AT,
    "variant": None,
    "control": False,
    "checks": [
        {
            "rule": "audience",
            "outcome": "passes",
            "reason": None,
            "until": None,
            "words": "the user is in the audience",
            "looked_at": [],
        }
    ],
    "messages": [
        {
            "channel": "push",
            "outcome": "sent",
            "reason": None,
            "until": None,
            "words": f"would be sent at {SEND_AT}",
            "content": {"title": "Still thinking it over?", "body": "15% off until Sunday", "buttons": [], "pages": []},
            "form": {
                "request": {
                    "message": {
                        "notification": {"title": "Still thinking it over?", "body": "15% off until Sunday"},
                        "data": {"delivery": f"{FOLLOW_UP}.push", "campaign": "cart-reminder"},
                        "android": {"notification": {"tag": f"{FOLLOW_UP}.push"}},
                        "apns": {"headers": {"apns-collapse-id": f"{FOLLOW_UP}.push"}},
                        "token": "…",
                    }
                },
                "devices": 1,
            },
            "tracking": None,
            "fault": None,
            "missing": [],
            "checks": [],
            "checks_now": [],
        }
    ],
}


def _order_example(verb: str, **more: Any) -> Example:
    return Example(_REMINDER, answer=receipt_of(verb, "cart-reminder"), view=views.ReceiptView, **more)


EXAMPLES: Mapping[str, Example] = {
    "operation-alive": Example(answer={"status": "alive"}, view=views.HealthView),
    "operation-ready": Example(
        answer={
            **{"status": "ready", "database": "ok", "temporal": "ok", "worker": "polling"},
            "checks": [{"name": "database", "status": "ok"}],
        },
        view=views.ReadinessView,
    ),
    "operation-read_metrics": Example(),
    "campaigns-save_campaign": Example(
        _REMINDER,
        body=_DEFINITION,
        answer={"id": "cart-reminder", "revision": 1, "change": "new", "warnings": []},
        view=views.SavedView,
    ),
    "campaigns-preview": Example(
        _REMINDER,
        body={"profile": {"first_name": "Ada", "push_tokens": ["phone-1"]}},
        answer=_PREVIEW,
        view=preview_views.PreviewView,
    ),
    "campaigns-send_test_message": Example(
        _REMINDER,
        body={"address": "phone-of-a-tester", "profile": {"first_name": "Ada"}},
        answer={
            "campaign": "cart-reminder",
            "channel": "push",
            "id": "test-0f8fad5bd9cb469fa16570867728950e",
            "provider_id": None,
            "is_printed": True,
        },
        view=preview_views.SentTestView,
    ),
    "audit-read_entries": Example(
        {"action": "stop", "limit": 1},
        answer={"entries": [_STOPPED], "has_more": True, "next": 11},
        view=views.AuditView,
    ),
    "campaigns-publish": _order_example("publish", body={"with_follow_ons": True}),
    "campaigns-read_campaign": Example(
        _REMINDER,
        answer={
            **LIVE,
            "windows": WINDOWS,
            "definition": {"campaign": "cart-reminder", **_DEFINITION},
        },
        view=views.EntryView,
    ),
    **CAMPAIGN_EXAMPLES,
    **OVERVIEW_EXAMPLES,
    "users-replace_user": Example(
        {"id": "u-17"}, body={k: v for k, v in _ADA.items() if k != "id"}, answer=_ADA, view=views.DescribedUserView
    ),
    "users-change_user": Example(
        {"id": "u-17"}, body={"attributes": {"tier": "gold"}}, answer=_ADA, view=views.DescribedUserView
    ),
    "users-read_user": Example(
        {"id": "u-17"}, answer=_ADA | {"consent_history": [_CONSENT_CHANGE]}, view=views.UserView
    ),
    "interactions-take_interactions": Example(
        body={
            "interactions": [
                {
                    "id": "evt-1",
                    "user": "u-17",
                    "type": "receive_push",
                    "campaign": "abandoned-cart",
                    "occurred_at": AT,
                },
                {
                    "id": "evt-2",
                    "user": "u-18",
                    "type": "make_purchase",
                    "properties": {"product": "shoe-1", "price": 90, "currency": "EUR"},
                },
                {"id": "evt-3", "user": "u-18", "type": "event", "name": "cart_updated", "occurred_at": "noon"},
            ],
            "users": [{"id": "u-18", "time_zone": "Asia/Tokyo"}],
        },
        answer={
            "results": [
                {"id": "evt-1", "status": "accepted"},
                {"id": "evt-2", "status": "accepted"},
                {
                    "id": "evt-3",
                    "status": "invalid",
                    "fault": "occurred_at: 'noon' is not a time; write one with its zone",
                },
            ],
            "users": [{"id": "u-18", "status": "accepted"}],
        },
        view=views.IngestView,
    ),
    "follow-ups-read_follow_ups": Example(
        {"campaign": "cart-reminder", "user": "u-17", "limit": 10},
        answer={
            "follow_ups": [_LISTED],
            "has_more": False,
            "next": None,
        },
        view=views.FollowUpsView,
    ),
    **OPERATOR_EXAMPLES,
    "follow-ups-read_follow_up": Example(
        {"id": FOLLOW_UP}, answer={**_LISTED, "decision": _DECISION, "texts": []}, view=views.ExplainedFollowUpView
    ),
    "users-read_timeline": Example(
        {"id": "u-17", "since": "3650 days"},
        answer={
            "user": _ADA,
            "since": "2016-03-04T12:00:00Z",
            "as_of": AT,
            "before": [],
            "interactions": [
                {
                    "at": AT,
                    "interaction": {
                        "id": "evt-1",
                        "user": "u-17",
                        "type": "receive_push",
                        "campaign": "abandoned-cart",
                        "occurred_at": AT,
                        "properties": {},
                    },
                }
            ],
            "sends": [{"campaign": "cart-reminder", "channel": "push", "follow_up": FOLLOW_UP, "at": SEND_AT}],
            "receipts": [{"campaign": "cart-reminder", "key": "", "at": SEND_AT}],
            "is_cut": False,
        },
        view=preview_views.TimelineView,
    ),
    "users-read_history": Example(
        {"id": "u-17", "limit": 10},
        answer={
            "user": "u-17",
            "user_key": "0b6c1e7f",
            "as_of": AT,
            "entries": [
                {
                    "id": "interaction evt-1",
                    "at": AT,
                    "kind": "interaction",
                    "interaction": _INTERACTION,
                    "decisions": [{"campaign": "cart-reminder", "decision": _DECISION}],
                    **{"message": None, "content": None, "cut": [], "consent": None},
                }
            ],
            **{"is_cut": False, "has_more": False, "next": None},
        },
        view=operator_views.HistoryView,
    ),
    "users-explain": Example(
        {"id": "u-17", "campaign": "cart-reminder"},
        answer={
            "user": "u-17",
            "user_key": "0b6c1e7f",
            "as_of": AT,
            "is_cut": False,
            "unreachable": [],
            "campaigns": [_EXPLANATION],
            "nothing_happened": [],
        },
    ),
    "campaigns-review_campaign": Example(
        _REMINDER,
        answer={
            **LIVE,
            "windows": WINDOWS,
            "definition": {"campaign": "cart-reminder", **_DEFINITION},
            **{"name": None, "draft": None, "publish": None, "resume": None},
            "open": [{"campaign": "cart-reminder", "revision": 1, "users": 1, "waiting": 1, "held": 0}],
        },
        view=campaign_views.ReviewView,
    ),
    "campaigns-read_results": Example(
        _REMINDER,
        answer={
            "id": "cart-reminder",
            "confidence": 0.95,
            "control": dict.fromkeys(COUNTS, 0) | {"converted": {}},
            "receivers": {**COUNTS, "uplift": {}},
            "variants": [],
            "follow_ups": [{"state": "waiting", "reason": None, "count": 1}],
            "template_faults": [],
            "retried": [],
            "since": None,
            "until": None,
            "zone": "UTC",
            "as_of": SEND_AT,
            "funnel": {
                **{"triggered": 1, "waiting": 1, "sent": 0, "opened": 0},
                **{"opened_by_people": 0, "clicked": 0, "converted": {}},
            },
            "reasons": [],
            "exceptions_after": {"count": 0},
            "days": None,
        },
        view=overview_views.ResultsOverTimeView,
    ),
    "inbox-mint_token": Example(
        {"id": "u-17"},
        body={},
        answer={
            "token": f"inbox-v1.7ff1206e18d74b36aeb1209d7a1ec706.{'A' * 43}.1795830354.{'A' * 43}",
            "expires_at": SEND_AT,
        },
    ),
    "inbox-mint_user_token": Example(
        {"id": "u-17"},
        body={},
        answer={"token": f"user-v1.dS0xNw.1795830354.{'A' * 43}", "expires_at": SEND_AT},
    ),
    "inbox-read_inbox": Example(
        {"id": "u-17", "kind": "in_app_message", "limit": 10},
        answer={
            "messages": [
                {
                    "id": _MESSAGE,
                    "kind": "in_app_message",
                    "campaign": "welcome-back",
                    "card": None,
                    "content": {"title": "Hi", "body": "15% off", "buttons": [{"id": "ok", "label": "OK"}]},
                    "priority": 1,
                    "created_at": AT,
                    "expires_at": "2026-04-01T12:00:00Z",
                    "viewed": False,
                }
            ],
            "is_cut": False,
        },
    ),
    "inbox-view": Example(
        {"message": _MESSAGE}, body={}, answer={"status": "accepted", "interaction": "view_in_app_message"}
    ),
    "inbox-click": Example(
        {"message": _MESSAGE},
        body={"button": "ok", "id": "tap-1"},
        answer={"status": "accepted", "interaction": "click_in_app_message_button"},
    ),
    "inbox-dismiss": Example({"message": _MESSAGE}, body={}, answer={"status": "accepted", "interaction": None}),
    "pushes-open_push": Example(
        {"delivery": f"{FOLLOW_UP}.push"}, body={}, answer={"status": "accepted", "interaction": "open_push"}
    ),
    "pushes-click": Example(
        {"delivery": f"{FOLLOW_UP}.push"},
        body={"button": "snooze"},
        answer={"status": "accepted", "interaction": "click_push_button"},
    ),
    "tracking-open_email": Example({"token": _TRACKED}),
    "tracking-click_email": Example({"token": _TRACKED}),
    "tracking-click_sms_link": Example({"token": _TRACKED}),
    "tracking-show_unsubscribe": Example({"token": _TRACKED}),
    "tracking-do_unsubscribe": Example({"token": _TRACKED}),
    **{f"segment-{kind}": Example(body=body, answer={"success": True}) for kind, body in SEGMENT_CALLS.items()},
    "segment-batch": Example(body=SEGMENT_BATCH, answer={"success": True}),
    "segment-import_history": Example(body=SEGMENT_BATCH, answer={"success": True}),
    "webhooks-take_events": Example({"provider": "sendgrid"}, body=_SENDGRID),
    "campaigns-stop": _order_example("stop", body={}),
    "campaigns-preview_resume": Example(
        _REMINDER,
        answer={"changed": ["cart-reminder"], "unchanged": [], "warnings": [], "launches": []},
        view=views.ResumePreviewView,
    ),
    "campaigns-resume": _order_example("resume", body={}),
    "campaigns-archive": _order_example("archive", body={}),
    "users-split": Example({"id": "visitor-5"}, answer={"id": "visitor-5", "split_from": "u-17"}),
    "users-erase": Example({"id": "u-17"}),
}
"""The examples by operation id, in an order in which they can be executed."""


def add_examples(operation: dict[str, Any], place: str) -> None:
    """Add the example of an operation to the document; `place` is the reference to models, with {model}."""
    example = EXAMPLES.get(operation["operationId"])
    if example is None:
        return
    for parameter in operation.get("parameters", ()):
        if parameter["name"] in example.parameters:
            parameter["example"] = example.parameters[parameter["name"]]
    if "requestBody" in operation and example.body is not None:
        operation["requestBody"]["content"]["application/json"]["example"] = example.body
    if example.answer is not None:
        content = operation["responses"]["200"].setdefault("content", {}).setdefault("application/json", {})
        content["example"] = example.answer
        if example.view is not None:
            content["schema"] = {"$ref": place.format(model=example.view.__name__)}


def answer_models() -> list[type[BaseModel]]:
    """Return the response models that routes do not declare."""
    return sorted({one.view for one in EXAMPLES.values() if one.view}, key=lambda model: model.__name__)
