"""Examples of what goes on, what needs a hand, and how campaigns are connected."""

from __future__ import annotations

from collections.abc import Mapping

from starter.api.openapi import overview_views
from starter.api.openapi.example import AT, LIVE, Example

OVERVIEW_EXAMPLES: Mapping[str, Example] = {
    "overview-read_overview": Example(
        {"limit": 10},
        answer={
            "today": "2026-03-02",
            "zone": "UTC",
            "since": "2026-03-02T00:00:00Z",
            "states": {"draft": 0, "active": 1, "stopped": 0, "archived": 0},
            "campaigns": [
                {**LIVE, "name": None, "waiting": 1, "sent_today": 0},
            ],
            "has_more": False,
            "next": None,
            "attention": [],
            "more_attention": 0,
        },
        view=overview_views.OverviewView,
    ),
    "overview-read_graph": Example(
        {"around": "cart-reminder", "depth": 1},
        answer={
            "nodes": [
                {
                    "id": "cart-reminder",
                    "name": None,
                    "state": "active",
                    "kind": "action_based",
                    "has_draft": False,
                    "live_since": AT,
                    "starts_on": [],
                    "cancelled_by": ["make_purchase"],
                    "delay": "after 1 day",
                    "waiting": 1,
                    "sent_today": 0,
                }
            ],
            "edges": [
                {
                    "from": "abandoned-cart",
                    "to": "cart-reminder",
                    "role": "trigger",
                    "interaction": "receive_push",
                    "text": "receives the push",
                    "refinement": None,
                    "delay": "after 1 day",
                }
            ],
            "total": 1,
            "has_more": False,
        },
        view=overview_views.GraphView,
    ),
}
