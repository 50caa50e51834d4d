"""The demo from beginning to end."""

from __future__ import annotations

from contextlib import AsyncExitStack
from pathlib import Path

import httpx
from rich.console import Console
from rich.markup import escape

from connector.app.shutdown import run_unless_stopped, stop_on_signals
from starter.demo.environment import DemoEnvironment, DemoFailed, set_up
from starter.demo.outcomes import compare
from starter.demo.scenarios import ACTS
from starter.demo.session import DemoSession
from starter.dev.dev_file import Running

_EXAMPLES = Path(__file__).parents[2] / "examples"
_ORIGINALS = ("abandoned-cart", "free-shipping", "onboarding-1")


async def run_demo(*, stay: bool) -> int:
    """Start everything in a folder of its own, play, and stop everything.

    Args:
        stay: keep it up after the play, until Ctrl-C.

    Returns:
        0 where every user came to the end that they must come to, else 1.

    Raises:
        DemoFailed: something did not come up, or a command did not do what it must.
    """
    if not _EXAMPLES.is_dir():
        raise DemoFailed(f"{_EXAMPLES} is not there; the demo is played from a checkout, not from an installed package")
    console, stopped = Console(), stop_on_signals()
    async with httpx.AsyncClient(timeout=20, trust_env=False) as api, AsyncExitStack() as stack:
        stage = DemoSession(console, api)
        stage.title("Campaign Connector", "Temporal, a worker and the API are starting, in a folder of their own.")
        backstage = await run_unless_stopped(stack.enter_async_context(set_up(stage.show_message)), stopped)
        if backstage is None:
            return 1
        api.base_url = httpx.URL(backstage.running.api_url)
        _show_links(stage, backstage.running)
        right = await run_unless_stopped(_perform(stage, backstage), stopped)
        if stay and right is not None:
            _show_links(stage, backstage.running)
            stage.tell(f"everything stays up until Ctrl-C; try: connector status --data {backstage.data}")
            await stopped.wait()
        stage.tell("stopping everything")
    return 0 if right else 1


async def _perform(stage: DemoSession, backstage: DemoEnvironment) -> bool:
    """Publish, play every act, and show what came of it; returns whether all came as it must."""
    await _publish(stage, backstage)
    fates = [fate for act in ACTS for fate in await act(stage)]
    table, right = compare({fate: await stage.outcome(fate) for fate in fates})
    stage.show(table)
    return right


async def _publish(stage: DemoSession, backstage: DemoEnvironment) -> None:
    """Apply the examples, and publish them: first in an order that is refused, then in one that sorts itself."""
    stage.title("Publishing", "A follow-on counts what happens from its own publication on, so the order is enforced.")
    await _type(stage, backstage, 0, "apply", str(_EXAMPLES))
    await _type(stage, backstage, 1, "publish", "abandoned-cart")
    await _type(stage, backstage, 0, "publish", "--with-follow-ons", *_ORIGINALS)


async def _type(stage: DemoSession, backstage: DemoEnvironment, expected: int, *words: str) -> None:
    """What an operator types, and what is answered."""
    shown = " ".join(words).replace(str(_EXAMPLES), "examples")
    stage.tell(f"[bold]$ connector {shown}[/]")
    code, printed = await backstage.command(*words)
    for line in printed.splitlines():
        stage.tell(f"   [dim]{escape(line)}[/]")
    if code != expected:
        raise DemoFailed(f"connector {shown} ended with {code}, and {expected} was expected:\n{printed}")


def _show_links(stage: DemoSession, running: Running) -> None:
    stage.tell(f"API          {running.api_url}/docs")
    if running.ui_url is not None:
        stage.tell(f"Temporal UI  {running.ui_url}/namespaces/default/workflows")
