"""The course of the demo: start, publish, play every scenario, compare the outcomes, stop."""

from __future__ import annotations

from contextlib import AsyncExitStack
from pathlib import Path

import httpx
from rich.console import Console
from rich.markup import escape

from connector.app.shutdown import run_unless_stopped, stop_on_signals
from starter.demo.environment import DemoEnvironment, DemoFailed, open_environment
from starter.demo.scenarios import SCENARIOS
from starter.demo.session import DemoSession, compare_outcomes
from starter.dev.instance import DevInstance

_EXAMPLES = Path(__file__).parents[2] / "examples"
_TARGETS = ("abandoned-cart", "free-shipping", "onboarding-1")


async def run_demo(*, stay: bool) -> int:
    """Start everything in a temporary folder, play the scenarios, and stop everything.

    Args:
        stay: keep everything running after the scenarios, until Ctrl-C.

    Returns:
        0 if every user had the expected outcome, else 1.

    Raises:
        DemoFailed: something did not start, or a command ended with an unexpected exit code.
    """
    if not _EXAMPLES.is_dir():
        raise DemoFailed(f"there is no folder {_EXAMPLES}; run the demo from a checkout, not from an installed package")
    console, stopped = Console(), stop_on_signals()
    async with httpx.AsyncClient(timeout=20, trust_env=False) as api, AsyncExitStack() as stack:
        session = DemoSession(console, api)
        session.print_title(
            "Campaign Connector",
            "Follow-on campaigns start when a user interacts with another campaign. Temporal, a worker and the API now "
            "start in a temporary folder, which takes some seconds. Lines that begin with ✉ are messages to users.",
        )
        opening = stack.enter_async_context(open_environment(session.print_message))
        environment = await run_unless_stopped(opening, stopped)
        if environment is None:
            return 1
        api.base_url = httpx.URL(environment.instance.api_url)
        _print_links(session, environment.instance)
        succeeded = await run_unless_stopped(_play(session, environment), stopped)
        if stay and succeeded is not None:
            _print_links(session, environment.instance)
            session.print_line(f"everything runs until Ctrl-C; try: connector status --data {environment.data}")
            await stopped.wait()
        session.print_line("everything stops now; to run it yourself: connector dev, which names the next commands")
    return 0 if succeeded else 1


async def _play(session: DemoSession, environment: DemoEnvironment) -> bool:
    """Publish, play every scenario, and print the outcomes; return whether all are as expected."""
    await _publish(session, environment)
    expected = [outcome for scenario in SCENARIOS for outcome in await scenario(session)]
    table, succeeded = compare_outcomes({outcome: await session.load_outcome(outcome) for outcome in expected})
    session.print_title(
        "Outcomes",
        "excepted: an exception event cancelled the message; dropped: a rule of the due time did; refused: the "
        "interaction did not trigger the follow-on; nothing: no interaction was a trigger.",
    )
    session.print_table(table)
    return succeeded


async def _publish(session: DemoSession, environment: DemoEnvironment) -> None:
    """Apply the examples and publish them: first in an order that is refused, then sorted."""
    session.print_title(
        "Publishing",
        "A follow-on counts only what happens after its own publication. Publishing its target first is therefore "
        "refused, as the first attempt shows; the second publishes each follow-on before its target.",
    )
    await _run_command(session, environment, 0, "apply", str(_EXAMPLES))
    await _run_command(session, environment, 1, "publish", "abandoned-cart")
    await _run_command(session, environment, 0, "publish", "--with-follow-ons", *_TARGETS)


async def _run_command(session: DemoSession, environment: DemoEnvironment, expected: int, *arguments: str) -> None:
    """Print and run a command as an operator would type it. Raises DemoFailed on another exit code than `expected`."""
    shown = " ".join(arguments).replace(str(_EXAMPLES), "examples")
    session.print_line(f"[bold]$ connector {shown}[/]")
    code, output = await environment.run_command(*arguments)
    for line in output.splitlines():
        session.print_line(f"   [dim]{escape(line)}[/]")
    if code != expected:
        raise DemoFailed(f"connector {shown} ended with {code}, and {expected} was expected:\n{output}")


def _print_links(session: DemoSession, instance: DevInstance) -> None:
    session.print_line(f"API          {instance.api_url}/docs")
    if instance.ui_url is not None:
        session.print_line(f"Temporal UI  {instance.ui_url}/namespaces/default/workflows")
