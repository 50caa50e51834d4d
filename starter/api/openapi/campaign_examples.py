"""Examples of the operations on several campaigns, and of what shows their state."""

from __future__ import annotations

from collections.abc import Mapping

from starter.api.openapi import campaign_views as views
from starter.api.openapi.example import AT, COUNTS, LIVE, WINDOWS, Example, receipt_of
from starter.api.openapi.views import ReceiptView

_STATE = {**LIVE, "windows": WINDOWS, "follow_ups": [{"state": "sent", "reason": None, "count": 40}]}
_SPRING = "campaign: spring-sale\ndelivery: {type: external}\n"
_FAULT = "'exteral' is not known; did you mean external?"
_GREETING = {
    "delivery": {"type": "action_based", "trigger": [{"event": "start_session"}]},
    "messages": {"push": {"title": "Hello", "body": "Nice to see you"}},
}

CAMPAIGN_EXAMPLES: Mapping[str, Example] = {
    "campaigns-order": Example(
        body={"verb": "publish", "ids": ["abandoned-cart", "cart-reminder"], "reason": "the spring sale"},
        answer=receipt_of("publish", "cart-reminder", "abandoned-cart"),
        view=ReceiptView,
    ),
    "campaigns-list_campaigns": Example(
        {"state": "active", "search": "cart"},
        answer={"campaigns": [{**_STATE, "name": "Cart reminder"}], "has_more": False, "next": None},
        view=views.CampaignsView,
    ),
    "campaigns-backtest": Example(
        {"id": "cart-reminder"},
        body={"since": "30 days"},
        answer={
            **{"campaign": "cart-reminder", "revision": 1, "since": "2026-01-31T12:00:00Z", "until": AT},
            **{"users": 100, "triggered": 120, "sent": 80, "excepted": {"make_purchase": 30}, "dropped": {}},
            **{"control": 0, "waiting": 10, "refused": {}},
            "seconds_until_exception": {"count": 0},
        },
        view=views.BacktestView,
    ),
    "definitions-apply": Example(
        body={"files": [{"name": "spring.yaml", "text": _SPRING}], "reason": "the spring sale"},
        answer={"saved": [{"id": "spring-sale", "revision": 1, "change": "new"}], "warnings": []},
        view=views.AppliedView,
    ),
    "definitions-plan": Example(
        body={"definitions": [{"campaign": "spring-sale", "name": "Spring", "delivery": {"type": "external"}}]},
        answer={
            "changes": [
                {
                    **{"id": "spring-sale", "kind": "campaign", "change": "edited", "revision": 2},
                    "live_revision": None,
                    "differences": [{"change": "added", "path": "name", "before": None, "after": "Spring"}],
                }
            ],
            "unchanged": [],
            "elsewhere": [{"id": "cart-reminder", "state": "active"}],
            "order": ["spring-sale"],
            **{"refusals": [], "warnings": [], "waits": [], "audiences": [], "texts": []},
        },
        view=views.PlanView,
    ),
    "definitions-validate": Example(
        body={"files": [{"name": "spring.yaml", "text": _SPRING.replace("external", "exteral")}]},
        answer={
            "valid": False,
            "definitions": [],
            "faults": [
                {
                    **{"file": "spring.yaml", "line": 2, "id": None, "key": "delivery.type"},
                    **{"problem": _FAULT, "text": f"spring.yaml:2: delivery.type: {_FAULT}"},
                }
            ],
            "warnings": [],
        },
        view=views.ValidationView,
    ),
    "definitions-simulate": Example(
        body={
            "definitions": [{"campaign": "greeting", **_GREETING}],
            "timeline": [
                {"at": AT, "user": {"id": "u-17", "push_tokens": ["phone-1"]}},
                {"at": AT, "publish": "greeting"},
                {"at": AT, "interaction": {"id": "evt-1", "user": "u-17", "type": "start_session"}},
            ],
        },
        answer={
            "outcomes": [
                {
                    **{"campaign": "greeting", "user": "u-17", "trigger": "evt-1", "key": None, "triggered_at": AT},
                    **{"due_at": AT, "state": "sent", "reason": None, "decided_at": AT, "channels": ["push"]},
                }
            ],
            "warnings": [],
            "failure": None,
        },
        view=views.SimulationView,
    ),
    "definitions-save_workspace": Example(
        body={"zone": "Europe/Berlin"},
        answer={"saved": [{"id": "default", "revision": 2, "change": "edited"}], "warnings": []},
        view=views.AppliedView,
    ),
    "definitions-read_workspace": Example(
        answer={
            "workspace": "default",
            "version": 3,
            "definition": {"workspace": "default", "zone": "Europe/Berlin"},
            "settings": {
                **{"workspace": "default", "zone": "Europe/Berlin", "frequency_caps": [], "quiet_hours": None},
                **{"robots": "ignore", "target": "active", "stale_after": "1 day"},
            },
        },
        view=views.WorkspaceView,
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
                "control": {**COUNTS, "sent": 0},
                "receivers": {**COUNTS, "uplift": {}},
                "variants": [],
            },
        },
        view=views.CampaignStatusView,
    ),
}
