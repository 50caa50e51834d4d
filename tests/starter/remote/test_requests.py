"""Every operation that a command calls has a request, and every request is one that the API has."""

from __future__ import annotations

import ast
import inspect
import pkgutil
import re
from collections.abc import Callable, Iterator
from datetime import timedelta
from importlib import import_module
from typing import Any

import pytest

import starter.commands
from connector.app.context import AppContext
from connector.definitions import parse_texts
from connector.rules.model.api_keys import Scope
from connector.store.audit import AuditFilter
from starter.api.access.scopes import Keys
from starter.api.app import create_app
from starter.cli import COMMANDS, _import_command
from starter.commands.places import OFFLINE, REFUSED
from starter.explain.explain import explain_decisions
from starter.explain.follow_up import explain_follow_up
from starter.explain.timeline import read_timeline
from starter.operations.acts import cancel, postpone, send_now
from starter.operations.audit import read_audit
from starter.operations.backtest import backtest_campaign
from starter.operations.bulk import act_on_follow_ups
from starter.operations.bulk_actions import BulkAction
from starter.operations.campaigns import list_campaigns, read_campaign
from starter.operations.cleanup import clean_up
from starter.operations.drafts import apply_definitions
from starter.operations.erasure import erase
from starter.operations.follow_ups import Criteria, read_follow_ups
from starter.operations.graph import read_graph
from starter.operations.interactions import report_interactions
from starter.operations.joins import split_user
from starter.operations.keys import create_api_key, list_api_keys, revoke_api_key, rotate_api_key
from starter.operations.marked_sends import send_test
from starter.operations.orders import give_order, preview_resuming
from starter.operations.overview import read_overview
from starter.operations.plan import plan_definitions
from starter.operations.preview_choice import Choice
from starter.operations.preview_messages import preview_messages
from starter.operations.provider_events import list_provider_events, match_provider_events
from starter.operations.resending import send_again
from starter.operations.results import read_results
from starter.operations.review import review_campaign
from starter.operations.settling import settle
from starter.operations.status import read_campaign_status, read_status
from starter.operations.user_logs import read_user_log
from starter.operations.users import find_users, read_user
from starter.operations.workspace import read_workspace
from starter.remote.registration import find_request, has_actor

CALLS = {"run_operation": 1, "run_act": 1, "read": 0, "act": 0}
"""The functions of `starter.commands.calls`, and the position of the operation among their arguments."""

DEFINITIONS = parse_texts({"a.yaml": "campaign: a\ndelivery: {type: external}\n"})
SAMPLES: dict[Callable[..., Any], tuple[tuple[Any, ...], dict[str, Any]]] = {
    read_status: ((), {}),
    read_campaign_status: (("a/b",), {}),
    read_audit: ((AuditFilter(), 10), {}),
    read_follow_ups: ((Criteria(campaign="c"), 10), {}),
    read_overview: ((), {}),
    review_campaign: (("a/b",), {}),
    read_user: (("a/b",), {}),
    read_timeline: (("a/b",), {"limit": 5, "after": "a"}),
    list_campaigns: ((), {"state": "draft", "search": "s", "after": "a", "limit": 5}),
    read_campaign: (("a/b",), {}),
    read_workspace: ((), {}),
    apply_definitions: ((DEFINITIONS,), {"reason": "why", "bases": {"a": 1}}),
    plan_definitions: ((DEFINITIONS,), {"allow_missed": True}),
    backtest_campaign: (("a", "3 days"), {"seconds": 1.0}),
    give_order: (("stop", ["a"]), {}),
    preview_resuming: ((["a"],), {}),
    send_now: (("a/b",), {"note": "n"}),
    postpone: (("a",), {"by": timedelta(hours=2), "note": None}),
    cancel: (("a",), {}),
    act_on_follow_ups: ((BulkAction("resolve", Criteria(campaign="c"), was_sent=False, note="n"),), {"dry_run": True}),
    settle: (("a",), {"was_sent": True, "channel": None, "note": "n"}),
    send_again: (("a",), {"channel": "push"}),
    explain_decisions: (("a/b", "c"), {}),
    explain_follow_up: (("follow-up/default/c/u/1",), {}),
    find_users: ((), {"text": "ada@shop.test"}),
    erase: (("a/b",), {"reason": "r"}),
    split_user: (("a",), {"reason": "r"}),
    report_interactions: (([{"user": "u"}],), {}),
    list_provider_events: ((), {"provider": "ses", "limit": 10}),
    match_provider_events: ((), {"note": "n"}),
    list_api_keys: ((), {}),
    create_api_key: ((), {"name": "n", "scopes": [Scope.READ], "lifetime": timedelta(days=1)}),
    rotate_api_key: (("a",), {"overlap": timedelta(hours=1)}),
    revoke_api_key: (("a",), {}),
    clean_up: ((), {"dry_run": True}),
    preview_messages: ((Choice("a/b", user="u"),), {}),
    send_test: ((Choice("a/b"), "a@b.example"), {"reason": "why"}),
    read_graph: ((), {"around": "c", "depth": 2}),
    read_results: (("a/b",), {"by": "day"}),
    read_user_log: (("a/b", "7 days"), {}),
}
"""Parameters of every operation that commands call."""


def find_calls() -> Iterator[tuple[str, Callable[..., Any]]]:
    """Yield the name of the function and the operation of every call in the commands' modules."""
    for found in pkgutil.iter_modules(starter.commands.__path__):
        if found.name == "calls":
            continue
        module = import_module(f"starter.commands.{found.name}")
        for node in ast.walk(ast.parse(inspect.getsource(module))):
            if isinstance(node, ast.Call) and (place := CALLS.get(_name_of(node.func))) is not None:
                operation = node.args[place] if len(node.args) > place else None
                if isinstance(operation, ast.Name) and inspect.iscoroutinefunction(vars(module).get(operation.id)):
                    yield _name_of(node.func), vars(module)[operation.id]


def _name_of(function: ast.expr) -> str:
    return function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")


def test_every_called_operation_has_a_request() -> None:
    """Its first parameter says which context it needs, and its second is the actor if and only if it acts."""
    called = list(find_calls())
    assert {operation for _, operation in called} == set(SAMPLES)
    for function, operation in called:
        parameters = list(inspect.signature(operation).parameters.values())
        assert (parameters[0].name, parameters[0].annotation in ("StoreContext", "AppContext")) == ("context", True)
        acts = [parameter.name for parameter in parameters[1:2] if parameter.annotation == "Actor"] == ["actor"]
        assert has_actor(operation) == (function in ("run_act", "act")) == acts
        assert find_request(operation)


@pytest.mark.parametrize("operation", SAMPLES, ids=lambda operation: str(operation.__name__))
def test_every_request_is_in_the_document(context: AppContext, operation: Callable[..., Any]) -> None:
    """Its path and method are those of a route, and the route has its query parameters."""
    positional, named = SAMPLES[operation]
    request = find_request(operation)(*positional, **named)
    paths = create_app(context, Keys()).openapi()["paths"]
    [found] = [path for path in paths if _matches(path, request.path) and request.method.lower() in paths[path]]
    described = paths[found][request.method.lower()]
    known = {parameter["name"] for parameter in described.get("parameters", ())}
    assert {name for name, value in request.query.items() if value is not None} <= known
    assert (request.body is not None) <= ("requestBody" in described)


def _matches(template: str, path: str) -> bool:
    """Whether a path is one of a template; a word of the path goes before a parameter, as in routing."""
    pattern = re.sub(r"\\\{[^}]*\\\}", "[^/]+", re.escape(template))
    return re.fullmatch(pattern, path) is not None


def test_every_command_has_a_place() -> None:
    """Each is over HTTP, refused there or offline, for one stated reason; those over HTTP call operations."""
    names = [name for summaries in COMMANDS.values() for name in summaries]
    local = [*REFUSED, *OFFLINE]
    assert len(local) == len(set(local))
    assert set(local) <= set(names)
    for name in set(names) - set(local):
        assert {"run_operation", "run_act", "open_calls", "_examine_remotely"} & vars(_import_command(name)).keys(), (
            name
        )
