"""Examples of what operators do: acts on follow-ups, users, providers' events, keys and the cleanup."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from starter.api.openapi import operator_views as views
from starter.api.openapi.example import AT, FOLLOW_UP, SEND_AT, Example

_KEY = {
    "id": "3f1c0a9e5b7d",
    "name": "shop",
    "scopes": ["ingest"],
    "rate": 50.0,
    "state": "expires",
    "created_at": AT,
    "expires_at": "2026-05-31T12:00:00Z",
    "revoked_at": None,
}


def _act_example(verb: str, says: str, **more: Any) -> Example:
    body = {"note": "the shop is down", **more}
    operated = {"state": "waiting", "reason": None, "next_at": SEND_AT}
    answer = {"id": FOLLOW_UP, "update": verb, "says": says, **operated}
    return Example({"id": FOLLOW_UP}, body=body, answer=answer, view=views.OperatedView)


def _bulk_example(**more: Any) -> Example:
    page = {
        "done": [FOLLOW_UP],
        **{"unchanged": [], "refused": [], "left_out": []},
        **{"dry_run": True, "has_more": False, "next": None},
    }
    body = {"campaign": "cart-reminder", "dry_run": True, **more}
    return Example(body=body, answer=page, view=views.BulkView)


OPERATOR_EXAMPLES: Mapping[str, Example] = {
    "follow-ups-resolve_message": Example(
        {"id": FOLLOW_UP},
        body={"sent": False, "channel": "push", "note": "the provider has no such message"},
        answer={"id": FOLLOW_UP, "channel": "push", "changed": True, "state": "failed", "reason": "send_failed"},
        view=views.SettledView,
    ),
    "follow-ups-resend_messages": Example(
        {"id": FOLLOW_UP},
        body={"note": "the account works again"},
        answer={
            "id": FOLLOW_UP,
            "outcome": "resent",
            "channels": ["push"],
            "left_out": {"email": "no_consent"},
            "held_until": None,
            "dry_run": False,
        },
        view=views.ResentView,
    ),
    "follow-ups-send_one_now": _act_example("send_now", "the rules of its due time decide now"),
    "follow-ups-postpone_one": _act_example("postpone", f"it waits until {SEND_AT}", until=SEND_AT),
    "follow-ups-cancel_one": Example(
        {"id": FOLLOW_UP},
        body={"note": "wrong price"},
        answer={
            "id": FOLLOW_UP,
            "update": "cancel",
            "says": "it was cancelled",
            "state": "dropped",
            "reason": "cancelled_by_operator",
            "next_at": None,
        },
        view=views.OperatedView,
    ),
    "follow-ups-resend_many": _bulk_example(),
    "follow-ups-resolve_many": _bulk_example(sent=False, note="the provider has none of them"),
    "follow-ups-send_many_now": _bulk_example(state="waiting"),
    "follow-ups-postpone_many": _bulk_example(by="2 hours"),
    "follow-ups-cancel_many": _bulk_example(note="wrong price"),
    "users-find_users": Example(
        {"text": "ada@shop.example"},
        answer={
            "users": [
                {
                    "id": "u-17",
                    "user_key": "0b6c1e7f",
                    "ids": ["u-17", "visitor-5"],
                    "email": "ada@shop.example",
                    "phone": "+12025550123",
                    "first_name": "Ada",
                    "time_zone": "Europe/Berlin",
                    "matched": "email",
                }
            ],
            "is_cut": False,
            "erased": False,
        },
        view=views.FoundUsersView,
    ),
    "provider-events-list_events": Example(
        {"provider": "sendgrid", "limit": 10},
        answer={
            "counts": [{"provider": "sendgrid", "reason": "no_campaign", "count": 1}],
            "reports": [
                {
                    "provider": "sendgrid",
                    "id": "ZGVsaXZlcmVk",
                    "kind": "opened",
                    "at": AT,
                    "received_at": AT,
                    "reason": "no_campaign",
                    "campaign": None,
                    "delivery": None,
                }
            ],
            "has_more": False,
            "next": None,
        },
        view=views.ProviderEventsView,
    ),
    "provider-events-match_events": Example(
        body={"provider": "sendgrid", "note": "the campaign was applied"},
        answer={"led_back": 1, "dropped": 0, "left": 0, "has_more": False, "next": None},
        view=views.MatchedView,
    ),
    "keys-list_keys": Example(answer={"keys": [_KEY]}, view=views.KeysView),
    "keys-create_key": Example(
        body={"name": "shop", "scopes": ["ingest"], "rate": 50, "expires": "90 days"},
        answer={"key": "ck_3f1c0a9e5b7d_…", **_KEY},
        view=views.IssuedKeyView,
    ),
    "keys-rotate_key": Example(
        {"id": "3f1c0a9e5b7d"},
        body={"overlap": "2 hours"},
        answer={
            **{"key": "ck_8a2b4c6d8e0f_…", **_KEY, "id": "8a2b4c6d8e0f"},
            "replaces": {"id": "3f1c0a9e5b7d", "expires_at": "2026-03-02T14:00:00Z"},
        },
        view=views.IssuedKeyView,
    ),
    "keys-revoke_key": Example(
        {"id": "3f1c0a9e5b7d"},
        body={"reason": "it was in a log"},
        answer={"id": "3f1c0a9e5b7d", "name": "shop", "revoked_at": AT},
        view=views.RevokedKeyView,
    ),
    "cleanup-clean_up": Example(
        body={"dry_run": True},
        answer={"rows": {"interactions": 81234}, "partitions": {}, "faults": [], "has_more": False},
        view=views.CleanedView,
    ),
}
