"""The acts of the demo: three use cases, and what came before publication. Each returns its users' fates."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import timedelta

from starter.demo.outcomes import ExpectedOutcome
from starter.demo.session import DemoSession

WAITING = frozenset({"waiting"})


async def free_shipping(stage: DemoSession) -> list[ExpectedOutcome]:
    """Who opened a push gets another one."""
    stage.title("(a) Free shipping", "Who opened the free-shipping push gets 15% off, 4 seconds later.")
    fates = [
        ExpectedOutcome("mia", "fifteen-percent-off", "opened the push", "sent"),
        ExpectedOutcome("noah", "fifteen-percent-off", "received the push", "nothing"),
    ]
    for fate in fates:
        await stage.describe(fate.user)
    push = {"campaign": "free-shipping"}
    await stage.report(["mia", "noah"], "received the free-shipping push", {"type": "receive_push", **push})
    await stage.report(["mia"], "opens it", {"type": "open_push", **push})
    await stage.settle(fates)
    return fates


async def onboarding(stage: DemoSession) -> list[ExpectedOutcome]:
    """Who followed a deep link gets the next message."""
    stage.title(
        "(b) Onboarding", "Who follows the deep link of the first in-app message gets the next, 3 seconds later."
    )
    first = [
        ExpectedOutcome("olga", "onboarding-1", "signed up", "sent"),
        ExpectedOutcome("pete", "onboarding-1", "signed up", "sent"),
    ]
    second = [
        ExpectedOutcome("olga", "onboarding-2", "followed the deep link", "sent"),
        ExpectedOutcome("pete", "onboarding-2", "said: later", "nothing"),
    ]
    for fate in first:
        await stage.describe(fate.user)
    await stage.report(["olga", "pete"], "sign up", {"type": "event", "name": "signed_up"})
    await stage.settle(first)
    button = {"type": "click_in_app_message_button", "campaign": "onboarding-1"}
    await stage.report(["olga"], "follows the deep link", {**button, "properties": {"button": "explore"}})
    await stage.report(["pete"], "clicks: later", {**button, "properties": {"button": "later"}})
    await stage.settle(second)
    return [*first, *second]


async def abandoned_cart(stage: DemoSession) -> list[ExpectedOutcome]:
    """Five users, each with another fate."""
    stage.title(
        "(c) Abandoned cart",
        "Who received the push about their cart is reminded 10 seconds later, unless they buy or open that push first.",
    )
    reminder = "cart-reminder"
    fates = [
        ExpectedOutcome("anna", reminder, "bought something", "excepted", "exception"),
        ExpectedOutcome("ben", reminder, "opened the first push", "excepted", "exception"),
        ExpectedOutcome("chloe", reminder, "did nothing", "sent"),
        ExpectedOutcome("dan", reminder, "unsubscribed", "dropped", "no_consent"),
        ExpectedOutcome("eva", reminder, "removed the app", "dropped", "unreachable"),
    ]
    users = [fate.user for fate in fates]
    for user in users:
        await stage.describe(user)
    await stage.report(users, "leave a cart behind", {"type": "event", "name": "cart_abandoned"})
    await stage.settle(fates, until=WAITING)
    purchase = {"product": "shoe-1", "price": 90, "currency": "EUR"}
    await stage.report(["anna"], "buys the shoes", {"type": "make_purchase", "properties": purchase})
    await stage.report(["ben"], "opens the first push", {"type": "open_push", "campaign": "abandoned-cart"})
    await stage.change("dan", "unsubscribes from pushes", consent={"push": "unsubscribed"})
    await stage.change("eva", "removes the app", push_tokens=[])
    await stage.settle(fates)
    return fates


async def before_publication(stage: DemoSession) -> list[ExpectedOutcome]:
    """What happened before a follow-on was published does not count, however late it is reported."""
    stage.title(
        "Before the publication",
        "A phone was offline and reports only now what its user did before the campaigns were published.",
    )
    fate = ExpectedOutcome("finn", "fifteen-percent-off", "opened it an hour ago", "refused", "before_publish")
    await stage.describe(fate.user)
    push = {"type": "open_push", "campaign": "free-shipping"}
    await stage.report(["finn"], fate.deed, push, ago=timedelta(hours=1))
    await stage.settle([fate])
    return [fate]


ACTS: tuple[Callable[[DemoSession], Awaitable[list[ExpectedOutcome]]], ...] = (
    free_shipping,
    onboarding,
    abandoned_cart,
    before_publication,
)
