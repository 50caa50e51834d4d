"""Examples of the operations on several campaigns, and of what shows their state."""

from __future__ import annotations

from collections.abc import Mapping

from starter.api.openapi import campaign_views as views
from starter.api.openapi.example import Example
from starter.api.openapi.views import ReceiptView

_AT = "2026-03-02T12:00:00Z"
_STATE = {
    "id": "cart-reminder",
    "kind": "campaign",
    "state": "active",
    "live_revision": 1,
    "newest_revision": 1,
    "effective_at": _AT,
    "windows": [{"opened_at": _AT, "closed_at": None}],
    "follow_ups": [{"state": "sent", "reason": None, "count": 40}],
}
_COUNTS = {"enrolled": 0, "sent": 40, "opened": 21, "opened_by_people": 18, "clicked": 7, "converted": {}}

CAMPAIGN_EXAMPLES: Mapping[str, Example] = {
    "campaigns-order": Example(
        body={"verb": "publish", "ids": ["abandoned-cart", "cart-reminder"], "reason": "the spring sale"},
        answer={
            "order_id": "a8453037909240d59102b85b70371b5b",
            "verb": "publish",
            "changed": ["cart-reminder", "abandoned-cart"],
            "unchanged": [],
            "effective_at": _AT,
            "version": 3,
            "warnings": [],
        },
        view=ReceiptView,
    ),
    "campaigns-read_status": Example(
        answer={"version": 3, "campaigns": [_STATE], "retried": []}, view=views.StatusView
    ),
    "campaigns-read_campaign_status": Example(
        {"id": "cart-reminder"},
        answer={
            **_STATE,
            "template_faults": [],
            "retried": [],
            "results": {
                "confidence": 0.95,
                "control": {**_COUNTS, "sent": 0},
                "receivers": {**_COUNTS, "uplift": {}},
                "variants": [],
            },
        },
        view=views.CampaignStatusView,
    ),
}
