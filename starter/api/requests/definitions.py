"""Request bodies with several definitions: YAML texts with the names of their files, or JSON objects."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from functools import partial
from typing import Annotated, Any

from pydantic import Field, StringConstraints, model_validator

from connector.definitions import Definitions, parse_mappings, parse_texts
from connector.rules.model.audit import MAX_REASON_CHARACTERS
from connector.rules.model.errors import DefinitionError, Fault
from connector.rules.model.values import Text
from connector.templating.threads import run_in_thread
from starter.api.requests.options import Moment, NoOptions
from starter.operations.simulation import Story

MAX_FILES = 10_000
MAX_LINES = 100_000
MAX_REVISION = 2**31 - 1


class DefinitionFile(NoOptions):
    """A YAML text of one or several documents, and the name by which faults and warnings call it."""

    name: Annotated[str, StringConstraints(min_length=1, max_length=1024)]
    text: str


class DefinitionsRequest(NoOptions):
    """Campaigns, cards and the workspace's settings: `files` in YAML, or `definitions` as JSON objects."""

    files: Annotated[list[DefinitionFile], Field(min_length=1, max_length=MAX_FILES)] | None = None
    definitions: Annotated[list[dict[str, Any]], Field(min_length=1, max_length=MAX_FILES)] | None = None

    @model_validator(mode="after")
    def _one_of_them(self) -> DefinitionsRequest:
        if (self.files is None) == (self.definitions is None):
            raise ValueError("give either files or definitions")
        return self


class ApplyRequest(DefinitionsRequest):
    """Definitions to save; `reason` is why, for the audit trail, which keeps it for good: do not name users.

    With `bases`, by id the `newest_revision` that each was edited from (an id that is left out was new), nothing is
    saved if somebody else has saved one of them meanwhile.
    """

    reason: Annotated[Text, Field(max_length=MAX_REASON_CHARACTERS)] | None = None
    bases: Annotated[dict[Text, Annotated[int, Field(ge=0, le=MAX_REVISION)]], Field(max_length=MAX_FILES)] | None = (
        None
    )


class PlanRequest(DefinitionsRequest):
    """Definitions to plan; with `allow_missed`, also a publication by which a draft follow-on misses the launch."""

    allow_missed: bool = False


class BacktestRequest(NoOptions):
    """The start of a backtest: a time in RFC 3339, or how long ago, like "30 days"."""

    since: Annotated[str, StringConstraints(min_length=1, max_length=100)]


class SimulateRequest(DefinitionsRequest):
    """Definitions and the timeline that is played: JSON lines or YAML in one text, or the lines as JSON objects.

    Every definition begins as a draft; the timeline publishes it. `messages` adds what went out, as rendered.
    """

    timeline: str | Annotated[list[dict[str, Any]], Field(max_length=MAX_LINES)]
    until: Moment | None = None
    messages: bool = False

    def story(self) -> Story:
        """Return what is simulated."""
        lines = self.timeline
        return Story(
            timeline=lines if isinstance(lines, str) else "\n".join(json.dumps(line) for line in lines),
            texts=None if self.files is None else {file.name: file.text for file in self.files},
            mappings=self.definitions,
            until=self.until,
            with_messages=self.messages,
        )


async def read_given(given: DefinitionsRequest, *, with_links: bool) -> Definitions:
    """Return the definitions of a request. Raises DefinitionError with every fault, and its file and line."""
    return await run_in_thread(reader_of(given, with_links=with_links))


def reader_of(given: DefinitionsRequest, *, with_links: bool) -> Callable[[], Definitions]:
    """Return the function that reads the definitions of a request. Raises DefinitionError if two files share a name."""
    if given.files is None:
        return partial(parse_mappings, given.definitions or (), with_links=with_links)
    return partial(parse_texts, _texts(given.files), with_links=with_links)


def _texts(files: list[DefinitionFile]) -> Mapping[str, str]:
    texts = {file.name: file.text for file in files}
    if len(texts) < len(files):
        raise DefinitionError([Fault("files", "two files have the same name; each needs its own")])
    return texts
