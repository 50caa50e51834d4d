"""How the command line starts: which modules it imports, and how long that takes."""

from __future__ import annotations

import inspect
import os
import subprocess
import sys
from pathlib import Path

import pytest

from starter.cli import COMMANDS, load_command

SUMMARIES = {name: summary for panel in COMMANDS.values() for name, summary in panel.items()}

HELP_NEEDS_NONE_OF = {
    "sqlalchemy": "no database is opened",
    "pydantic": "no setting and no definition is read",
    "asyncio": "nothing waits",
}
STORE_NEEDS_NONE_OF = {
    "temporalio": "the store has everything that it shows",
    "alembic": "a constant is compared with the database's revision",
    "fastapi": "it serves nothing",
    "httpx": "it calls nobody",
    "structlog": "it logs nothing unless a library reports an error",
    "rich": "nothing is drawn unless standard error is a terminal",
}
_PRINT_MODULES = """
import sys
from starter.cli import run_command
code = run_command(sys.argv[1:])
print(*{name.partition(".")[0] for name in sys.modules}, file=sys.stderr)
sys.exit(code)
"""


@pytest.mark.parametrize("command", SUMMARIES)
def test_the_summary_is_the_first_paragraph_of_the_commands_help(command: str) -> None:
    """The help of the program lists the commands without importing them."""
    assert inspect.cleandoc(load_command(command).help).partition("\n\n")[0] == SUMMARIES[command]


def test_help_imports_no_command() -> None:
    """What the help of the program does not need, it does not import."""
    assert _imported("--help") & HELP_NEEDS_NONE_OF.keys() == set()


@pytest.mark.parametrize("words", ["status", "status f", "explain u", "keys list", "plan examples"])
def test_commands_on_the_store_import_no_more(data: Path, words: str) -> None:
    """The store is read without Temporal, migrations, HTTP and logs."""
    assert _imported(*words.split()) & STORE_NEEDS_NONE_OF.keys() == set()


@pytest.mark.serial
@pytest.mark.parametrize(("words", "seconds"), [(["--help"], 0.35), (["status"], 0.6)])
def test_commands_start_fast(data: Path, words: list[str], seconds: float) -> None:
    """The processor time of the fastest of five runs, with a margin for machines half as fast."""
    assert min(_processor_seconds(*words) for _ in range(5)) < 2 * seconds


def _imported(*words: str) -> set[str]:
    ran = subprocess.run([sys.executable, "-c", _PRINT_MODULES, *words], capture_output=True, text=True, check=False)
    return set(ran.stderr.splitlines()[-1].split())


def _processor_seconds(*words: str) -> float:
    command = [sys.executable, "-m", "starter.cli", *words]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0
    return usage.ru_utime + usage.ru_stime
