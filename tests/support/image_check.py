"""Execute the steps of deploy/Dockerfile in a temporary folder, as an unprivileged user, and run what they made.

`make image` does this. It needs the network for packages, and no container engine. The folders of the image are
replaced by temporary ones, and its base by the Python that runs this, or by another one that the unprivileged user may
execute (`make image ARGS=/usr/bin/python3`); `pip uninstall`, which concerns the base, is left out.

Then set-up, worker, API and console run with the image's variables, on SQLite and an embedded Temporal, until their
probes answer and the health check of the image says so, and stop on SIGTERM.
"""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path

from connector.app.preflight import find_free_port
from tests.support.api import KEY_VARIABLE
from tests.support.deployment import dockerfile, image_environment, image_extras
from tests.support.repository import ROOT

_UNPRIVILEGED = 65532
_FOLDERS = ("/app", "/src", "/data")
_START_SECONDS, _STOP_SECONDS = 180, 90


class ImageCheck:
    """The folders and the processes of one check."""

    def __init__(self, root: Path, python: str) -> None:
        self._root, self._python = root, python
        self._temporal = f"127.0.0.1:{find_free_port(0, option='')}"
        ports = {f"CONNECTOR_{name}_PORT": str(find_free_port(0, option="")) for name in ("API", "CONSOLE", "WORKER")}
        passed_on = {name: value for name, value in os.environ.items() if name.startswith(("PIP_", "SSL_", "LANG"))}
        self.environment = {
            **passed_on,
            **{name: self._replace(value) for name, value in image_environment().items()},
            **ports,
            "CONNECTOR_API_KEYS": KEY_VARIABLE,
            "CONNECTOR_CONSOLE_PUBLIC_URL": "https://console.shop.example",
            "TEMPORAL_ADDRESS": self._temporal,
            "HOME": str(root),
            "USER": "connector",  # Temporal's development server asks for it
        }
        self.environment["PATH"] = f"{root}/app/bin:{os.defpath}"

    def _replace(self, text: str) -> str:
        for folder in _FOLDERS:
            text = text.replace(folder, f"{self._root}{folder}")
        return text

    def build(self) -> None:
        """Execute COPY and RUN of the first stage, and the copies of the last one."""
        stage, folder = 0, self._root
        for name, rest in dockerfile():
            if name == "FROM":
                stage += 1
            elif name == "WORKDIR" and stage == 1:
                folder = Path(self._replace(rest))
                folder.mkdir(parents=True, exist_ok=True)
            elif name == "COPY" and "--from" not in rest:
                self._copy(rest, folder)
            elif name == "RUN" and stage == 1:
                self._own()
                script = self._replace(rest).replace("${EXTRAS}", image_extras())
                script = script.replace("python -m", f"{self._python} -m")
                self.run("sh", "-euc", script, cwd=folder)

    def _copy(self, rest: str, folder: Path) -> None:
        *sources, target = shlex.split(rest)
        into = folder / self._replace(target)
        for source in sources:
            path = ROOT / source
            if path.is_dir():
                shutil.copytree(path, into, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                shutil.copy(path, into)

    def _own(self) -> None:
        if os.getuid() == 0:
            subprocess.run(["chown", "-R", f"{_UNPRIVILEGED}:{_UNPRIVILEGED}", str(self._root)], check=True)

    def start(self, *words: str, cwd: Path | None = None) -> subprocess.Popen[bytes]:
        """Start a program as the unprivileged user; as whoever runs this if that is not root."""
        user = _UNPRIVILEGED if os.getuid() == 0 else None
        path = self.environment["PATH"] + (f":{Path(sys.executable).parent}" if words[0] == "temporal" else "")
        program = shutil.which(words[0], path=path) or words[0]
        return subprocess.Popen(
            [program, *words[1:]], cwd=cwd or self._root, env=self.environment,
            user=user, group=user, extra_groups=None if user is None else [],
        )  # fmt: skip

    def run(self, *words: str, cwd: Path | None = None) -> None:
        """Run a program to its end. Raises SystemExit if it fails."""
        print("$", *words, flush=True)
        if code := self.start(*words, cwd=cwd).wait():
            raise SystemExit(f"{shlex.join(words)}: exit code {code}")

    def serve(self) -> None:
        """Run set-up, and then worker, API and console until they are ready; stop them."""
        temporal = self.start("temporal", "server", "start-dev", "--headless", "--port", self._temporal.split(":")[1])
        try:
            (self._root / "data").mkdir()
            self._own()
            _wait_for(lambda: self.start("connector", "setup").wait() == 0, "set-up")
            services = [self.start("connector", name) for name in ("worker", "api", "console")]
            for name, path in (("WORKER", "readyz"), ("API", "readyz"), ("CONSOLE", "healthz")):
                url = f"http://127.0.0.1:{self.environment[f'CONNECTOR_{name}_PORT']}/{path}"
                _wait_for(lambda url=url: _answers(url), url)  # type: ignore[misc]
            self.run("python", str(self._root / "app/healthcheck.py"))
            for service in services:
                service.terminate()
            codes = [service.wait(_STOP_SECONDS) for service in services]
            print("worker, API and console stopped with", codes)
            assert codes == [0, 0, 0]
        finally:
            temporal.terminate()
            temporal.wait()


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=10) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


def _wait_for(holds: Callable[[], bool], what: str) -> None:
    end = time.monotonic() + _START_SECONDS
    while not holds():
        if time.monotonic() > end:
            raise SystemExit(f"{what}: not ready within {_START_SECONDS} seconds")
        time.sleep(1)
    print("ready:", what, flush=True)


def main() -> None:
    """Check the image's steps in a temporary folder."""
    root = Path(tempfile.mkdtemp(prefix="connector-image-"))
    root.chmod(0o755)
    try:
        check = ImageCheck(root, *(sys.argv[1:] or [sys.executable]))
        check.build()
        check.run("connector", "--help")
        check.serve()
        print("the steps of deploy/Dockerfile make a program that starts, answers and stops")
    finally:
        shutil.rmtree(root)


if __name__ == "__main__":
    main()
