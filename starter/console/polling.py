"""Live counts: each question is asked once per interval, whatever the number of pages that show the answer."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Hashable
from dataclasses import dataclass
from typing import Any, TypeVar, cast

T = TypeVar("T")

MAX_QUESTIONS = 1_000
"""Answers that are kept at most; the one asked for longest ago goes first."""


@dataclass
class _Answer:
    task: asyncio.Task[Any]
    asked_at: float


class Polling:
    """A cache of answers with one load in flight per question.

    Args:
        interval_seconds: how old an answer may be.
        clock: monotonic seconds.
    """

    def __init__(self, interval_seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self.interval_seconds, self._clock = interval_seconds, clock
        self._answers: dict[Hashable, _Answer] = {}

    async def ask(self, question: Hashable, load: Callable[[], Awaitable[T]]) -> T:
        """Return the answer, loading it if it is older than the interval. A failed load fails for all who share it.

        Args:
            question: what is asked, with its parameters: the same question has the same answer.
            load: loads the answer.
        """
        answer = self._answers.pop(question, None)
        if answer is None or self._is_old(answer):
            answer = _Answer(asyncio.ensure_future(_run(load)), self._clock())
            answer.task.add_done_callback(_retrieve)
        self._answers[question] = answer  # at the end: the order is by use
        if len(self._answers) > MAX_QUESTIONS:
            del self._answers[next(iter(self._answers))]
        return cast(T, await asyncio.shield(answer.task))

    def forget(self) -> None:
        """Forget all answers, because something was changed: whoever did it should see it."""
        self._answers = {question: answer for question, answer in self._answers.items() if not answer.task.done()}

    def _is_old(self, answer: _Answer) -> bool:
        return answer.task.done() and self._clock() - answer.asked_at >= self.interval_seconds


async def _run(load: Callable[[], Awaitable[T]]) -> T:
    return await load()


def _retrieve(task: asyncio.Task[Any]) -> None:
    """Mark the error of a load as seen, because everybody who waited for it may have gone."""
    if not task.cancelled():
        task.exception()
