"""`connector interact --file`: long files go in batches, and what was reported is shown even if a batch fails."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from connector.store.engine.outages import StoreUnavailable
from starter.commands import interact
from starter.commands.interact import _batches, _Line, _Printer, _report_all
from tests.support.api import Connector

SESSION = {"user": "u", "type": "start_session"}


@pytest.fixture
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two items a batch, and a note after two batches."""
    monkeypatch.setattr(interact, "_ITEMS_PER_BATCH", 2)
    monkeypatch.setattr(interact, "_BATCHES_BETWEEN_NOTES", 2)


def test_a_long_file_shows_its_progress(connector: Connector, data: Path, small_batches: None) -> None:
    """Every line has its result, in order and by its number; invalid ones end nothing, and give exit code 1."""
    lines = [json.dumps({**SESSION, "id": f"e{n}"}) for n in range(7)]
    lines[1], lines[4] = '{"user": "u"', json.dumps({"user": "u"})
    (data / "lines.jsonl").write_text("\n".join(["", *lines, lines[0]]))
    code, out, err = connector("interact", "--file", str(data / "lines.jsonl"), "--json")
    results = [json.loads(line) for line in out.splitlines()]
    assert [result["line"] for result in results] == [2, 3, 4, 5, 6, 7, 8, 9]
    statuses = ["accepted", "invalid", "accepted", "accepted", "invalid", "accepted", "accepted", "duplicate"]
    assert (code, [result["status"] for result in results]) == (1, statuses)
    assert {tuple(result) for result in results} == {("line", "status", "id", "fault", "warnings")}
    assert [line for line in err.splitlines() if "so far" in line] == ["4 items so far", "8 items so far"]
    code, out, err = connector("interact", "--file", str(data / "lines.jsonl"))
    assert (code, out) == (1, "0 accepted, 6 duplicate, 2 invalid\n")
    assert "line 3: invalid: the line is not JSON, at column " in err


def test_batches_fit_into_a_request(monkeypatch: pytest.MonkeyPatch) -> None:
    """They are bounded by their number and by their size; a larger item goes alone."""
    monkeypatch.setattr(interact, "_ITEMS_PER_BATCH", 3)
    monkeypatch.setattr(interact, "_CHARACTERS_PER_BATCH", 10)
    batches = _batches([_Line(1, {}, size=size) for size in (1, 1, 1, 1, 6, 6, 99, 4)])
    sizes = [[line.size for line in batch] for batch in batches]
    assert sizes == [[1, 1, 1], [1, 6], [6], [99], [4]]


async def test_what_was_reported_before_a_fault_is_shown(
    capsys: pytest.CaptureFixture[str], small_batches: None
) -> None:
    """The results of earlier batches are printed, and that the file may be reported again."""

    class Failing:
        """The store, which is lost after one batch."""

        calls = 0

        async def read(self, _operation: Any, items: list[Any]) -> dict[str, Any]:
            self.calls += 1
            if self.calls > 1:
                raise StoreUnavailable("away")
            return {"results": [{"id": "e", "status": "accepted"} for _ in items]}

    lines = _batches([_Line(number, {}) for number in range(1, 6)])
    with pytest.raises(StoreUnavailable):
        await _report_all(Failing(), lines, _Printer(True, is_file=True))  # type: ignore[arg-type]
    printed = capsys.readouterr()
    assert printed.out.count('"accepted"') == 2
    assert printed.err == "2 items were reported before this; all may be reported again\n"
