"""deploy/ starts what the program has: every command, variable, port and probe; unprivileged, read-only and bounded."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tomllib
from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import pytest
import yaml

import worker
from connector.app.configuration import read_settings
from connector.app.worker_port import create_probe_app
from connector.settings.application import Settings
from connector.settings.inventory import list_settings
from connector.settings.temporal_names import list_temporal_variables
from starter.api.routes.operation import router as operation_routes
from starter.cli import load_command
from starter.console.addresses import check_public
from starter.console.gate import PUBLIC_PATHS
from tests.support.deployment import (
    DEPLOY,
    IMAGE,
    Process,
    compose,
    dockerfile,
    image_environment,
    image_extras,
    kubernetes_secret_keys,
    manifests,
    processes,
)
from tests.support.repository import ROOT

PROCESSES = processes()
SECRETS = {
    "database-url": "postgresql://connector:secret@db/connector",
    "erasure-secret": "e" * 48,
    "api-keys": '[{"name": "operator", "key": "%s", "scopes": ["read"]}]' % ("k" * 48),
}
UNPRIVILEGED = 65532
each_process = pytest.mark.parametrize("process", PROCESSES, ids=lambda one: one.place)
containers = [one for one in PROCESSES if not one.place.startswith("systemd/")]


def of_kind(kind: str) -> list[dict[str, Any]]:
    return [one for one in manifests() if one["kind"] == kind]


def test_every_way_starts_every_process() -> None:
    """Compose, Kubernetes and systemd each have one set-up, worker, API and console service."""
    ways, names = ("compose", "kubernetes", "systemd"), ("setup", "worker", "api", "console")
    found = sorted((one.place.partition("/")[0], one.command) for one in PROCESSES)
    assert found == sorted((way, name) for way in ways for name in names)


@each_process
def test_commands_exist(process: Process) -> None:
    """The program has the command, and takes every word as one of its options."""
    parsed = load_command(process.command).make_context(process.command, list(process.words[1:]))
    assert (parsed.info_name, parsed.args) == (process.command, [])


@each_process
def test_settings_are_accepted(process: Process, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The program accepts the variables, with files for the secrets, and finds no slip in those of Temporal."""
    for name in [name for name in os.environ if name.startswith(("CONNECTOR_", "TEMPORAL_"))]:
        monkeypatch.delenv(name)
    for name, value in process.environment.items():
        if name.startswith("CONNECTOR_") and name.endswith("_FILE"):
            assert value in process.secrets
            path = tmp_path / Path(value).name
            path.write_text(SECRETS[path.name])
            value = str(path)
        if name.startswith(("CONNECTOR_", "TEMPORAL_")):
            monkeypatch.setenv(name, value)
    settings = read_settings()
    assert settings.database_url is not None
    assert settings.erasure_secret is not None
    assert bool(settings.api_keys) == (process.command in ("api", "console"))
    if process.command == "console":
        assert settings.console.public_url is not None
        check_public(settings.console.host, settings.console.public_url)
    temporal = {name for name in process.environment if name.startswith("TEMPORAL_")}
    assert {name for name, _ in list_temporal_variables(dict(process.environment), "***")} == temporal


def test_secrets_in_containers_are_not_in_variables() -> None:
    """A secret of the program comes from a file; the only one in a variable is Temporal's key, which has no file."""
    secret = {one.variable for one in list_settings(Settings) if one.is_secret}
    assert [(one.place, name) for one in PROCESSES for name in one.environment if name in secret] == []


@each_process
def test_time_to_stop(process: Process) -> None:
    """A worker has the time for sends that have begun and for their records, an API for requests."""
    if process.command == "setup":
        return
    assert process.grace_seconds is not None
    least = 2 * worker._SHUTDOWN_TIMEOUT.total_seconds() if process.command == "worker" else 30
    assert process.grace_seconds >= least + 10


def test_ports_and_probes() -> None:
    """The ports are those that the image listens on; every probed path is a route of that process."""
    environment = image_environment()
    ports = {name: int(environment[f"CONNECTOR_{name.upper()}_PORT"]) for name in ("api", "console", "worker")}
    assert sorted(map(int, dict(dockerfile())["EXPOSE"].split())) == sorted(ports.values())
    routes = {
        "worker": {route.path for route in create_probe_app(None, None).routes},  # type: ignore[arg-type, attr-defined]
        "api": {route.path for route in operation_routes.routes},  # type: ignore[attr-defined]
        "console": PUBLIC_PATHS,
    }
    for process in [one for one in containers if one.place.startswith("kubernetes/") and one.command != "setup"]:
        container = process.facts["container"]
        (port,) = container["ports"]
        assert port["containerPort"] == ports[process.command]
        probes = [container[name]["httpGet"] for name in ("startupProbe", "livenessProbe", "readinessProbe")]
        assert {probe["port"] for probe in probes} == {port["name"]}
        assert {probe["path"] for probe in probes} <= routes[process.command]
        assert probes[2]["path"] == ("/healthz" if process.command == "console" else "/readyz")
    annotations = next(one for one in manifests() if one["metadata"]["name"] == "connector-worker")
    scraped = annotations["spec"]["template"]["metadata"]["annotations"]
    assert int(scraped["prometheus.io/port"]) == ports["worker"]
    assert scraped["prometheus.io/path"] in routes["worker"]
    for name in ("api", "console"):
        (published,) = compose()["services"][name]["ports"]
        assert int(published.rpartition(":")[2]) == ports[name]
    services = {one["metadata"]["name"]: one["spec"]["ports"][0]["targetPort"] for one in of_kind("Service")}
    assert services == {"connector-api": "http", "connector-console": "http"}


@pytest.mark.parametrize("process", containers, ids=lambda one: one.place)
def test_containers_are_unprivileged(process: Process) -> None:
    """Not root, nothing to gain, a read-only root, no token of the cluster, bounded memory, CPU and temporary files."""
    if process.place.startswith("compose/"):
        service = process.facts
        assert service["read_only"] is True
        assert service["cap_drop"] == ["ALL"]
        assert service["security_opt"] == ["no-new-privileges:true"]
        assert {"mem_limit", "cpus"} <= service.keys()
        assert all("size=" in one for one in service["tmpfs"])
        return
    pod, container = process.facts["pod"], process.facts["container"]
    assert pod["securityContext"] == {
        "runAsNonRoot": True,
        "runAsUser": UNPRIVILEGED,
        "runAsGroup": UNPRIVILEGED,
        "fsGroup": UNPRIVILEGED,
        "seccompProfile": {"type": "RuntimeDefault"},
    }
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert pod["automountServiceAccountToken"] is False
    assert pod["enableServiceLinks"] is False, "CONNECTOR_API_PORT=tcp://… would be written for the service"
    assert container["resources"]["requests"].keys() == container["resources"]["limits"].keys() == {"cpu", "memory"}
    assert all("sizeLimit" in volume["emptyDir"] for volume in pod["volumes"] if "emptyDir" in volume)


def test_the_image() -> None:
    """The last stage runs as a numeric user that is not root, has a health check, and has neither compiler nor pip."""
    instructions = dockerfile()
    last = instructions[max(place for place, (name, _) in enumerate(instructions) if name == "FROM") :]
    assert dict(last)["USER"] == f"{UNPRIVILEGED}:{UNPRIVILEGED}"
    assert dict(last)["ENTRYPOINT"] == '["connector"]'
    assert "healthcheck.py" in dict(last)["HEALTHCHECK"]
    assert [rest for name, rest in last if name == "RUN"] == [
        "python -m pip uninstall --yes --root-user-action ignore pip setuptools wheel"
    ]
    assert not re.search(r"apt|apk|gcc|build-essential|--index-url", "\n".join(rest for _, rest in instructions))


def test_the_image_has_every_package() -> None:
    """Each package of pyproject.toml is copied, and the list of ignored files lets it through."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    copied = [word for name, rest in dockerfile() if name == "COPY" for word in rest.split()[:-1] if word[0] != "-"]
    packages = {name.rstrip("*") for name in project["tool"]["setuptools"]["packages"]["find"]["include"]}
    modules = {f"{name}.py" for name in project["tool"]["setuptools"]["py-modules"]}
    needed = {f"{name}/" for name in packages} | modules | {"pyproject.toml", "constraints.txt", "README.md", "LICENSE"}
    assert needed | {"deploy/healthcheck.py", "/app"} == set(copied)
    kept = [line[1:] for line in (DEPLOY / "Dockerfile.dockerignore").read_text().splitlines() if line[0] == "!"]
    assert sorted(kept) == sorted(name.rstrip("/") for name in copied if name != "/app")
    assert all((ROOT / name).exists() for name in kept)


def test_the_image_has_the_console() -> None:
    """The extra that the console needs is installed unless another build says otherwise, and so are those of README."""
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"].keys()
    assert re.findall(r"\w+", image_extras()) == ["console"]
    named = re.findall(r"EXTRAS=\[([\w,]+)\]", (DEPLOY / "README.md").read_text() + (DEPLOY / "Dockerfile").read_text())
    assert all("console" in one.split(",") and set(one.split(",")) <= extras for one in named)
    units = re.findall(r"pip install -c constraints.txt '\.\[(\w+)\]'", (DEPLOY / "README.md").read_text())
    assert units == ["console"]


def test_images_have_versions() -> None:
    """Every image names a version; ours is that of this program everywhere."""
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    images = [one["image"] for one in compose()["services"].values()]
    assert [image for image in images if not re.fullmatch(r"[^:]+:[0-9][0-9.]*", image)] == []
    kustomization = yaml.safe_load((DEPLOY / "kubernetes/kustomization.yaml").read_text())
    ours = {image.partition(":")[2] for image in images if image.startswith(IMAGE)}
    assert ours == {version} == {one["newTag"] for one in kustomization["images"]}
    assert f"{IMAGE}:{version}" in (DEPLOY / "Dockerfile").read_text()


def test_secrets_of_compose() -> None:
    """Every secret that a service reads is declared, and the script creates its file."""
    declared = compose()["secrets"]
    used = {name for one in compose()["services"].values() for name in one.get("secrets", ())}
    assert used == declared.keys()
    script = (DEPLOY / "compose/create-secrets.sh").read_text()
    assert all(f"write {one['file'].removeprefix('./')} " in script for one in declared.values())


def test_the_secret_of_kubernetes() -> None:
    """deploy/README.md creates every file that the pods read."""
    read = {
        Path(value).name
        for one in PROCESSES
        if one.place.startswith("kubernetes/")
        for name, value in one.environment.items()
        if name.endswith("_FILE") and name.startswith("CONNECTOR_")
    }
    assert read == kubernetes_secret_keys()


def test_selectors_choose_their_pods() -> None:
    """Services, budgets and autoscalers concern the deployment of their name."""
    labels = {one["metadata"]["name"]: one["spec"]["template"]["metadata"]["labels"] for one in of_kind("Deployment")}
    for one in [*of_kind("Service"), *of_kind("PodDisruptionBudget")]:
        selector = one["spec"]["selector"]
        assert selector.get("matchLabels", selector) == labels[one["metadata"]["name"]]
    several = labels.keys() - {"connector-console"}
    assert {one["metadata"]["name"] for one in of_kind("PodDisruptionBudget")} == several
    assert {one["metadata"]["name"] for one in of_kind("HorizontalPodAutoscaler")} == several
    for one in of_kind("HorizontalPodAutoscaler"):
        assert one["spec"]["scaleTargetRef"]["name"] == one["metadata"]["name"] in labels
        assert one["spec"]["minReplicas"] >= 2


def test_there_is_one_console() -> None:
    """Sessions live in its memory, so there is one, and no second one beside it while it is replaced."""
    console = next(one["spec"] for one in of_kind("Deployment") if one["metadata"]["name"] == "connector-console")
    assert (console["replicas"], console["strategy"]) == (1, {"type": "Recreate"})
    assert "deploy" not in compose()["services"]["console"]


def _policies_of(component: str, direction: str) -> Iterator[dict[str, Any]]:
    """The rules in one direction of every network policy that selects the pods of this process."""
    for policy in of_kind("NetworkPolicy"):
        selector = policy["spec"]["podSelector"]
        labels = set(selector.get("matchLabels", {}).values())
        chosen = labels.union(*(one["values"] for one in selector.get("matchExpressions", ())))
        if not chosen or component in chosen:
            yield from policy["spec"].get(direction, ())


@pytest.mark.parametrize("command", ["setup", "worker", "api", "console"])
def test_network_policies(command: str) -> None:
    """Processes that send, also test messages, reach providers and mail servers; each is reached on its port only."""
    egress = {port["port"] for rule in _policies_of(command, "egress") for port in rule["ports"]}
    assert egress == {53, 5432, 7233, 4318} | (set() if command == "setup" else {443, 465, 587})
    ingress = [port["port"] for rule in _policies_of(command, "ingress") for port in rule["ports"]]
    assert ingress == {"setup": [], "worker": ["probes"]}.get(command, ["http"])


def test_the_metric_of_the_autoscaler_exists() -> None:
    """The component names a metric that docs/metrics.md has."""
    component = yaml.safe_load((DEPLOY / "kubernetes/scale-by-overdue/kustomization.yaml").read_text())
    (operation,) = yaml.safe_load(component["patches"][0]["patch"])
    name = operation["value"]["external"]["metric"]["name"]
    assert f"| `{name}` |" in (ROOT / "docs/metrics.md").read_text()


def _has_components(kubectl: str) -> bool:
    """Whether its kustomize is new enough for components and labels; old ones do not say which they are."""
    command = [kubectl, "version", "--client", "-o", "json"]
    answer = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False).stdout
    version = re.search(r'"kustomizeVersion": "v(\d+)', answer)
    return version is not None and int(version[1]) >= 4


def test_kustomize_builds(tmp_path: Path) -> None:
    """An overlay as in deploy/README.md, with the component, renders every resource with the image of the overlay."""
    kubectl = shutil.which("kubectl")
    if kubectl is None or not _has_components(kubectl):
        pytest.skip("no kubectl with kustomize 4 or later (Debian 13: kubernetes-client; Debian 12 has kustomize 2)")
    overlay = re.search(r"```yaml\n# kustomization.yaml\n(.*?)```", (DEPLOY / "README.md").read_text(), re.DOTALL)
    assert overlay
    shutil.copytree(DEPLOY / "kubernetes", tmp_path / "kubernetes")
    (tmp_path / "overlay").mkdir()
    (tmp_path / "overlay/kustomization.yaml").write_text(overlay[1].replace("PATH/TO/deploy/", "../"))
    command = [kubectl, "kustomize", str(tmp_path / "overlay")]
    built = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert built.returncode == 0, built.stderr
    resources = list(yaml.safe_load_all(built.stdout))
    assert len(resources) == len(manifests()) + 1
    pods = [one["spec"]["template"]["spec"] for one in resources if one["kind"] in ("Deployment", "Job")]
    images = {container["image"] for pod in pods for container in pod["containers"]}
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    assert images == {f"images.shop.example/campaign-connector:{version}"}
    settings = next(one for one in resources if one["kind"] == "ConfigMap")
    assert settings["data"]["CONNECTOR_SMTP_HOST"] == "mail.shop.example"
    names = {container["envFrom"][0]["configMapRef"]["name"] for pod in pods for container in pod["containers"]}
    assert names == {settings["metadata"]["name"]}
    scaler = next(
        one for one in resources if one["kind"] == "HorizontalPodAutoscaler" and "worker" in one["metadata"]["name"]
    )
    assert [metric["type"] for metric in scaler["spec"]["metrics"]] == ["Resource", "External"]


def test_systemd_understands_the_units(tmp_path: Path) -> None:
    """`systemd-analyze` finds no fault, and rates each unit at 2 of 10 at most, where 10 is unprotected."""
    analyze = shutil.which("systemd-analyze")
    if analyze is None:
        pytest.skip("no systemd-analyze (Debian: systemd)")
    units = []
    for path in (DEPLOY / "systemd").glob("*.service"):
        program = shutil.which("true")
        (tmp_path / path.name).write_text(path.read_text().replace("/srv/connector/bin/connector", str(program)))
        units.append(str(tmp_path / path.name))
    verified = subprocess.run([analyze, "verify", *units], capture_output=True, text=True, timeout=60, check=False)
    ours = [line for line in verified.stderr.splitlines() if "connector-" in line]
    assert ours == []
    for unit in units:
        command = [analyze, "security", "--offline=yes", "--threshold=20", unit]
        rated = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        assert rated.returncode == 0, rated.stdout + rated.stderr


def test_nothing_secret_is_committed() -> None:
    """The files that the script creates are ignored by git."""
    ignored = (ROOT / ".gitignore").read_text().splitlines()
    assert any(fnmatch("deploy/.env", pattern) for pattern in ignored)
    assert "deploy/secrets/" in ignored
