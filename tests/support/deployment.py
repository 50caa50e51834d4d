"""The processes that deploy/ starts, read from the Dockerfile, compose.yaml, the manifests and the units."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any

import yaml

from tests.support.repository import ROOT

DEPLOY = ROOT / "deploy"
IMAGE = "campaign-connector"


@dataclass(frozen=True)
class Process:
    """One command of the program with its environment.

    `grace_seconds` is the time from SIGTERM to SIGKILL; `secrets` are the files that are there, as paths.
    """

    place: str
    words: list[str]
    environment: dict[str, str]
    secrets: set[str]
    grace_seconds: float | None = None
    facts: dict[str, Any] = field(default_factory=dict)

    @property
    def command(self) -> str:
        return self.words[0]


def dockerfile() -> list[tuple[str, str]]:
    """The instructions of the Dockerfile, with continued lines joined and comments left out."""
    lines = [line for line in (DEPLOY / "Dockerfile").read_text().splitlines() if not line.startswith("#")]
    joined = re.sub(r"\\\n\s*", " ", "\n".join(lines))
    return [(name, rest.strip()) for name, _, rest in (line.partition(" ") for line in joined.split("\n") if line)]


def image_environment() -> dict[str, str]:
    """The variables that the image sets."""
    last = [rest for name, rest in dockerfile() if name == "ENV"][-1]
    return dict(part.split("=", 1) for part in shlex.split(last))


def image_extras() -> str:
    """The extras that the image has unless another build says otherwise, such as `[console]`."""
    (extras,) = {rest for name, rest in dockerfile() if name == "ARG" and rest.startswith("EXTRAS=")}
    return shlex.split(extras)[0].removeprefix("EXTRAS=")


def manifests() -> list[dict[str, Any]]:
    """The resources of deploy/kubernetes as they are written, without kustomize."""
    files = yaml.safe_load((DEPLOY / "kubernetes/kustomization.yaml").read_text())["resources"]
    return [one for name in files for one in yaml.safe_load_all((DEPLOY / "kubernetes" / name).read_text())]


def compose() -> dict[str, Any]:
    """compose.yaml, with its anchors resolved."""
    read: dict[str, Any] = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
    return read


def processes() -> list[Process]:
    """Every process of the program that deploy/ starts."""
    return [*_of_compose(), *_of_kubernetes(), *_of_systemd()]


def _of_compose() -> Iterator[Process]:
    for name, service in compose()["services"].items():
        if service["image"].partition(":")[0] == IMAGE:
            yield Process(
                f"compose/{name}",
                service["command"],
                {**image_environment(), **service["environment"]},
                {f"/run/secrets/{secret}" for secret in service["secrets"]},
                float(service["stop_grace_period"].removesuffix("s")) if "stop_grace_period" in service else None,
                service,
            )


def _of_kubernetes() -> Iterator[Process]:
    shared = dict(
        line.split("=", 1) for line in (DEPLOY / "kubernetes/connector.env").read_text().splitlines() if "=" in line
    )
    for one in manifests():
        pod = one.get("spec", {}).get("template", {}).get("spec")
        for container in pod["containers"] if pod else ():
            own = {variable["name"]: variable.get("value", "from a secret") for variable in container["env"]}
            mounts = {mount["name"]: mount["mountPath"] for mount in container["volumeMounts"]}
            yield Process(
                f"kubernetes/{one['metadata']['name']}",
                container["args"],
                {**image_environment(), **shared, **own},
                {f"{mounts['secrets']}/{key}" for key in kubernetes_secret_keys()},
                pod.get("terminationGracePeriodSeconds"),
                {"pod": pod, "container": container},
            )


def kubernetes_secret_keys() -> set[str]:
    """The files of the secret that deploy/README.md creates."""
    return set(re.findall(r"--from-file=([a-z-]+)=", (DEPLOY / "README.md").read_text()))


def _of_systemd() -> Iterator[Process]:
    for path in sorted((DEPLOY / "systemd").glob("*.service")):
        lines = [tuple(line.split("=", 1)) for line in path.read_text().splitlines() if "=" in line and line[0] != "#"]
        service: dict[str, list[str]] = {}
        for name, value in lines:
            service.setdefault(name, []).append(value)
        (started,) = service["ExecStart"]
        program, *words = shlex.split(started)
        assert PurePosixPath(program).name == "connector"
        shared = (DEPLOY / "systemd/connector.env").read_text().splitlines()
        variables = [*shared, *(value.replace("%d", "/credentials") for value in service["Environment"])]
        yield Process(
            f"systemd/{path.name}",
            words,
            dict(variable.split("=", 1) for variable in variables if variable),
            {f"/credentials/{value.partition(':')[0]}" for value in service["LoadCredential"]},
            float(service["TimeoutStopSec"][0]) if "TimeoutStopSec" in service else None,
            service,
        )
