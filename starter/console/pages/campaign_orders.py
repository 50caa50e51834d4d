"""Publish, stop, resume and archive: each says what it will do, in numbers, asks, and gives the order."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from nicegui import ui

from connector.rules.catalogue.lifecycle import OrderVerb
from connector.rules.model.api_keys import Scope
from starter.console.elements.confirm import confirm_with_reason
from starter.console.elements.errors import attempt
from starter.console.elements.numbers import count_of
from starter.console.state import Viewer
from starter.operations.orders import give_order

_DONE = {"publish": "Published", "stop": "Stopped", "resume": "Resumed", "archive": "Archived"}


def show_order_buttons(viewer: Viewer, review: Mapping[str, Any]) -> None:
    """Add the buttons that the state and the viewer's key allow, publishing excepted."""
    if not viewer.may(Scope.MANAGE):
        return
    id, state = review["id"], review["state"]
    if state == "active":
        _button(viewer, "stop", id, _lines_of_stop(review), is_dangerous=True)
    if state == "stopped":
        _button(viewer, "resume", id, _lines_of_resume(review))
    if state != "archived":
        _button(viewer, "archive", id, [*_lines_of_stop(review), "It can never be edited or published again."], True)


def show_publish_buttons(viewer: Viewer, review: Mapping[str, Any]) -> None:
    """Add the button that publishes in the right order, and one for the campaign alone if that is possible, too."""
    if not viewer.may(Scope.MANAGE):
        return
    publish, id = review["publish"], review["id"]
    together = publish["together"]
    with ui.element("div").classes("cc-row"):
        if together is not None:
            label = f"Publish {count_of(len(together['order']), 'campaign')} in this order"
            _publish_button(viewer, label, id, together, with_follow_ons=True, is_first=True)
        if together is None or not publish["alone"]["refusals"]:
            label = "Publish" if together is None else f"Publish {id} alone"
            _publish_button(viewer, label, id, publish["alone"], with_follow_ons=False, is_first=together is None)


def _publish_button(
    viewer: Viewer, label: str, id: str, plan: Mapping[str, Any], *, with_follow_ons: bool, is_first: bool
) -> None:
    order = plan["order"]
    lines = [f"It takes effect at one instant, in this order: {', '.join(order)}."]
    lines += [f"Warning: {warning}" for warning in plan["warnings"]]
    give = _giving(viewer, "publish", id, label, lines, with_follow_ons=with_follow_ons)
    button = ui.button(label, on_click=give, icon="publish").props("unelevated" if is_first else "outline")
    button.set_enabled(not plan["refusals"])


def _button(viewer: Viewer, verb: OrderVerb, id: str, lines: Sequence[str], is_dangerous: bool = False) -> None:
    give = _giving(viewer, verb, id, verb.capitalize(), lines, is_dangerous=is_dangerous)
    ui.button(verb.capitalize(), on_click=give).props(f"outline {'color=negative' if is_dangerous else ''}")


def _giving(
    viewer: Viewer,
    verb: OrderVerb,
    id: str,
    action: str,
    lines: Sequence[str],
    *,
    is_dangerous: bool = False,
    with_follow_ons: bool = False,
) -> Callable[[], Any]:
    async def give() -> None:
        title = f"{verb.capitalize()} {id}?"
        agreed, reason = await confirm_with_reason(title, lines, action=action, is_dangerous=is_dangerous)
        if not agreed:
            return
        progress = ui.notification(f"{verb.capitalize()} {id} …", spinner=True, timeout=None)

        async def order() -> Any:
            actor = await viewer.actor(Scope.MANAGE)
            return await give_order(viewer.context, actor, verb, [id], reason=reason, with_follow_ons=with_follow_ons)

        receipt = await attempt(order)
        progress.dismiss()
        if receipt is not None:
            viewer.console.polling.forget()
            ui.notify(f"{_DONE[verb]}: {', '.join(receipt['changed']) or 'nothing changed'}", type="positive")
            ui.navigate.reload()

    return give


def _lines_of_stop(review: Mapping[str, Any]) -> list[str]:
    waiting = sum(wait["waiting"] + wait["held"] for wait in review["open"])
    return [
        f"{count_of(waiting, 'follow-up')} that wait or are held now end as dropped: stopped.",
        "No new ones start, and what happens while it is stopped does not count.",
    ]


def _lines_of_resume(review: Mapping[str, Any]) -> list[str]:
    found = review["resume"]
    return [
        "It becomes live again, unchanged. What happened while it was stopped does not count.",
        *found["warnings"],
        *(
            f"{launch['campaign']}: {count_of(launch['at_once'], 'user')} get it at once, {launch['later']:,} later, "
            f"{launch['stale']:,} not at all."
            for launch in found["launches"]
        ),
    ]
