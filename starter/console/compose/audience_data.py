"""An audience as a list of conditions, as the form shows it, and back. Deeper combinations stay as they are. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from connector.definitions.yaml_editing import Path
from connector.rules.model.predicates import OPERATORS

KINDS = {"attribute": "An attribute", "interacted": "A past interaction", "did": "A past event"}


def join(audience: Any) -> str:
    """Return how the conditions of an audience are joined: everyone, all or any."""
    if audience is None or audience == "everyone":
        return "everyone"
    return "any" if isinstance(audience, dict) and "any" in audience else "all"


def parts_of(audience: Any) -> list[Any]:
    """Return the conditions of an audience: those of its outermost `all` or `any`, or the only one."""
    if audience is None or audience == "everyone":
        return []
    for word in ("all", "any"):
        if isinstance(audience, dict) and isinstance(audience.get(word), list):
            return list(audience[word])
    return [audience]


def with_parts(joined: str, parts: Sequence[Any]) -> Any:
    """Return the audience of these conditions; None for everybody."""
    if joined == "everyone" or not parts:
        return None
    return parts[0] if len(parts) == 1 and joined == "all" else {joined: list(parts)}


def kind_of(part: Any) -> tuple[str, bool]:
    """Return the kind of a condition, `yaml` if the form cannot show it, and whether it is negated."""
    is_negated = isinstance(part, dict) and list(part) == ["not"]
    leaf = part["not"] if is_negated else part
    kind = next((kind for kind in KINDS if isinstance(leaf, dict) and kind in leaf), "yaml")
    if kind in ("interacted", "did") and not isinstance(leaf[kind], dict):
        kind = "yaml"
    return kind, is_negated


def leaf_of(part: Any) -> Any:
    """Return a condition without its `not`."""
    return part["not"] if kind_of(part)[1] else part


def part_path(audience: Any, number: int) -> Path:
    """Return the path of a condition of an audience; `parts_of` has it at this position."""
    words = [word for word in ("all", "any") if isinstance(audience, dict) and isinstance(audience.get(word), list)]
    return ("audience", words[0], number) if words else ("audience",)


def leaf_path(audience: Any, number: int) -> Path:
    """Return the path of a condition behind its `not`."""
    path = part_path(audience, number)
    return (*path, "not") if kind_of(parts_of(audience)[number])[1] else path


def new_leaf(kind: str) -> dict[str, Any]:
    """Return what a new condition begins with."""
    if kind == "attribute":
        return {"attribute": "", "is": ""}
    if kind == "did":
        return {"did": {"event": "make_purchase", "within": "30 days"}}
    return {"interacted": {"interaction": "open_email", "campaign": "", "within": "30 days"}}


def operator_of(leaf: Any) -> str:
    """Return the operator of a comparison; "" if it has none yet."""
    return next((name for name in OPERATORS if isinstance(leaf, dict) and name in leaf), "")


def with_operator(leaf: Mapping[str, Any], operator: str) -> dict[str, Any]:
    """Return a comparison by another operator, with its value as far as the other one takes it."""
    value = leaf.get(operator_of(leaf), "")
    single = value[0] if isinstance(value, list) and value else "" if isinstance(value, bool | list) else value
    if operator == "exists":
        value = True
    elif operator in ("in", "not_in"):
        value = value if isinstance(value, list) else [single]
    else:
        value = single
    return {**{name: inner for name, inner in leaf.items() if name not in OPERATORS}, operator: value}
