"""The scenarios of the demo: three use cases, and an interaction before publication. Each returns expected outcomes."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import timedelta

from starter.demo.session import DemoSession, ExpectedOutcome

_WAITING = frozenset({"waiting"})


async def free_shipping(session: DemoSession) -> list[ExpectedOutcome]:
    """Play: users who opened a push get another push."""
    session.print_title(
        "(a) Free shipping",
        "Users who open the free-shipping push, which another system sends, get a push with 15% off 4 seconds later.",
    )
    outcomes = [
        ExpectedOutcome("mia", "fifteen-percent-off", "opened the push", "sent"),
        ExpectedOutcome("noah", "fifteen-percent-off", "did not open the push", "nothing"),
    ]
    for outcome in outcomes:
        await session.create_user(outcome.user)
    push = {"campaign": "free-shipping"}
    await session.report(["mia", "noah"], "receive the free-shipping push", {"type": "receive_push", **push})
    await session.report(["mia"], "opens the push", {"type": "open_push", **push})
    await session.wait_for(outcomes)
    return outcomes


async def onboarding(session: DemoSession) -> list[ExpectedOutcome]:
    """Play: users who follow a deep link get the next message."""
    session.print_title(
        "(b) Onboarding",
        "Users who follow the deep link of the first in-app message get the next one, 3 seconds later.",
    )
    first = [
        ExpectedOutcome("olga", "onboarding-1", "signed up", "sent"),
        ExpectedOutcome("pete", "onboarding-1", "signed up", "sent"),
    ]
    second = [
        ExpectedOutcome("olga", "onboarding-2", "followed the deep link", "sent"),
        ExpectedOutcome("pete", "onboarding-2", 'clicked "Later"', "nothing"),
    ]
    for outcome in first:
        await session.create_user(outcome.user)
    await session.report(["olga", "pete"], "sign up", {"type": "event", "name": "signed_up"})
    await session.wait_for(first)
    button = {"type": "click_in_app_message_button", "campaign": "onboarding-1"}
    await session.report(["olga"], "follows the deep link", {**button, "properties": {"button": "explore"}})
    await session.report(["pete"], 'clicks "Later"', {**button, "properties": {"button": "later"}})
    await session.wait_for(second)
    return [*first, *second]


async def abandoned_cart(session: DemoSession) -> list[ExpectedOutcome]:
    """Five users who abandon a cart, each with another outcome."""
    session.print_title(
        "(c) Abandoned cart",
        "Users who receive the push about their cart are reminded 10 seconds later, unless they buy something or open "
        "that push. Users without consent or without a device are not reminded.",
    )
    reminder = "cart-reminder"
    outcomes = [
        ExpectedOutcome("anna", reminder, "bought something", "excepted", "exception"),
        ExpectedOutcome("ben", reminder, "opened the first push", "excepted", "exception"),
        ExpectedOutcome("chloe", reminder, "did nothing", "sent"),
        ExpectedOutcome("dan", reminder, "unsubscribed", "dropped", "no_consent"),
        ExpectedOutcome("eva", reminder, "removed the app", "dropped", "unreachable"),
    ]
    users = [outcome.user for outcome in outcomes]
    for user in users:
        await session.create_user(user)
    await session.report(users, "abandon a cart", {"type": "event", "name": "cart_abandoned"})
    await session.wait_for(outcomes, until=_WAITING)
    purchase = {"product": "shoe-1", "price": 90, "currency": "EUR"}
    await session.report(["anna"], "buys the shoes", {"type": "make_purchase", "properties": purchase})
    await session.report(["ben"], "opens the first push", {"type": "open_push", "campaign": "abandoned-cart"})
    await session.change_user("dan", "unsubscribes from pushes", consent={"push": "unsubscribed"})
    await session.change_user("eva", "removes the app", push_tokens=[])
    await session.wait_for(outcomes)
    return outcomes


async def before_publication(session: DemoSession) -> list[ExpectedOutcome]:
    """Play: an interaction before a follow-on's publication does not count, however late it is reported."""
    session.print_title(
        "Before the publication",
        "A phone that was offline reports only now what its user did before the campaigns were published.",
    )
    outcome = ExpectedOutcome("finn", "fifteen-percent-off", "opened the push an hour ago", "refused", "before_publish")
    await session.create_user(outcome.user)
    push = {"type": "open_push", "campaign": "free-shipping"}
    await session.report(["finn"], outcome.action, push, ago=timedelta(hours=1))
    await session.wait_for([outcome])
    return [outcome]


SCENARIOS: tuple[Callable[[DemoSession], Awaitable[list[ExpectedOutcome]]], ...] = (
    free_shipping,
    onboarding,
    abandoned_cart,
    before_publication,
)
