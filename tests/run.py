"""Run the tests in three parts: most in several processes, paired ones in two, the serial ones one by one.

Usage: python -m tests.run [PYTEST ARGUMENT …]

The last line counts all parts; the exit code is that of the first part that failed. Up to three tests that failed run
once more, alone: a test that passes then was disturbed by the machine, and is reported as unstable, to be mended.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from tempfile import TemporaryDirectory
from xml.etree import ElementTree

from tests.support.repository import ROOT

PROCESSES = max(3, min(8, os.cpu_count() or 1))
"""Even with two cores three processes are faster: many tests wait for another process most of the time."""
PARTS = {
    "parallel": ("-n", str(PROCESSES), "--dist", "worksteal"),
    "paired": ("-n", "2", "--dist", "loadfile"),  # each has a busy Chromium, or waits for a deadline that has a bound
    "serial": (),
}
ENVIRONMENT = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
"""Python keeps what it compiles: some hundred processes would compile the same modules, and each process the tests."""
OK, NOTHING_COLLECTED = 0, 5
MOST_TO_REPEAT = 3
FAILED_ONES = ("--last-failed", "--last-failed-no-failures=none")


def run_part(part: str, arguments: list[str], folder: Path) -> tuple[int, Counter[str]]:
    """Run one part; return pytest's exit code, and how many tests there were, by their outcome."""
    return _run(part, [f"--part={part}", f"--part-list={folder / 'parts.json'}", *PARTS[part], *arguments], folder)


def repeat_failed(arguments: list[str], folder: Path) -> int:
    """Run the tests that failed once more, alone; return 0 if all of them pass now."""
    code, outcomes = _run("again", [*FAILED_ONES, *arguments], folder)
    print(f"once more, alone: {_describe(outcomes)}; what passed now is unstable", flush=True)
    return code


def _run(name: str, options: list[str], folder: Path) -> tuple[int, Counter[str]]:
    report = folder / f"{name}.xml"
    options = [*options, f"--junit-xml={report}", "-o", f"cache_dir={folder / 'cache'}"]
    code = subprocess.run([sys.executable, "-m", "pytest", *options], cwd=ROOT, env=ENVIRONMENT).returncode
    return code, count(report) if report.exists() else Counter()


def count(report: Path) -> Counter[str]:
    """Count the tests in a JUnit report by their outcome."""
    [suite] = ElementTree.parse(report).getroot().iter("testsuite")
    found = {"failed": "failures", "errors": "errors", "skipped": "skipped"}
    outcomes = Counter({name: int(suite.attrib[attribute]) for name, attribute in found.items()})
    outcomes["passed"] = int(suite.attrib["tests"]) - outcomes.total()
    return outcomes


def _describe(outcomes: Counter[str]) -> str:
    return ", ".join(f"{outcomes[name]} {name}" for name in ("passed", "failed", "errors", "skipped"))


def main(arguments: list[str]) -> int:
    """Run all parts; return the exit code."""
    started, outcomes, codes = time.monotonic(), Counter[str](), []
    with TemporaryDirectory() as folder:
        for part in PARTS:
            code, counted = run_part(part, arguments, Path(folder))
            codes.append(code)
            outcomes += counted
        print(f"all parts: {_describe(outcomes)} in {time.monotonic() - started:.0f} s", flush=True)
        failed = [code for code in codes if code not in (OK, NOTHING_COLLECTED)]
        if failed and 0 < outcomes["failed"] + outcomes["errors"] <= MOST_TO_REPEAT:
            return repeat_failed(arguments, Path(folder))
    return failed[0] if failed else min(codes)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
