"""The repository: examples, commands, import contracts, and nothing in the files that holds on one machine only."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from connector.definitions import read_definitions
from connector.rules.model.campaigns import parse_definition
from connector.settings.application import Settings
from connector.settings.inventory import list_settings
from tests.support.repository import ROOT
from tests.support.settings_page import PAGE, generate_page

_HOSTS = ("pypi", "pythonhosted", "npmjs", "crates", "proxy.golang", "deb.debian", "maven")
_FOLDERS = ("tmp/w", "work", "root", "home", "opt", "Users")
CODE = ("activities", "connector", "starter", "workflows")
REGISTRY = re.compile(rf"(?:[/.@\s]|^)(?:{'|'.join(_HOSTS)})[a-z.]*\.(?:org|com|io|net)\b")
MACHINE_PATH = re.compile(rf"(?<![\w.}})~-])/(?:{'|'.join(_FOLDERS)})/[a-z]")


def _files() -> list[Path]:
    """The files that are in the repository, or would be if everything were added now."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    listed = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout.split("\0")
    return [path for name in listed if name and (path := ROOT / name).is_file()]


def _texts() -> list[tuple[Path, str]]:
    return [(path, path.read_text(encoding="utf-8", errors="replace")) for path in _files()]


def _lines(wanted: re.Pattern[str]) -> list[str]:
    return [
        f"{path.relative_to(ROOT)}:{number}: {line.strip()}"
        for path, text in _texts()
        for number, line in enumerate(text.splitlines(), 1)
        if wanted.search(line)
    ]


def _commands(document: str) -> set[str]:
    """The make targets that a document tells its readers to run."""
    return set(re.findall(r"\bmake ([a-z]+)\b", (ROOT / document).read_text()))


def test_no_file_names_a_registry_address() -> None:
    """Packages come from wherever pip is set up to take them from."""
    assert _lines(REGISTRY) == []


def test_no_file_names_a_path_of_one_machine() -> None:
    """A clone works wherever it lies."""
    assert _lines(MACHINE_PATH) == []


@pytest.mark.parametrize(
    ("wanted", "text"),
    [
        (REGISTRY, "see https://files.python" + "hosted.org/x"),
        (REGISTRY, "index-url = https://py" + "pi.org/simple"),
        (MACHINE_PATH, "cd /ho" + "me/ada/connector"),
        (MACHINE_PATH, "PATH=/wo" + "rk/main"),
    ],
)
def test_addresses_and_paths_are_found(wanted: re.Pattern[str], text: str) -> None:
    """The two searches above can find something."""
    assert wanted.search(text)


def test_constraints_are_plain_versions() -> None:
    """No address, no marker, no option: they hold with any index and on any platform."""
    lines = [line for line in (ROOT / "constraints.txt").read_text().splitlines() if not line.startswith("#")]
    assert [line for line in lines if not re.fullmatch(r"[a-z0-9-]+==[0-9][0-9a-z.]*", line)] == []
    assert lines == sorted(lines)


@pytest.mark.parametrize("document", ["README.md", "examples/README.md", "docs/architecture.md", ".ci/run"])
def test_commands_that_are_told_exist(document: str) -> None:
    """Every `make X` in a document is a target."""
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert _commands(document) <= targets


def test_ci_runs_what_the_readme_says() -> None:
    """The README's test command is the one that a submission must pass."""
    assert {"test", "lint"} <= _commands(".ci/run")
    assert "make test" in (ROOT / "README.md").read_text()


def test_links_between_documents_lead_somewhere() -> None:
    """No link in a document points at a file that is not there."""
    dead = [
        f"{path.relative_to(ROOT)}: {target}"
        for path, text in _texts()
        if path.suffix == ".md"
        for target in re.findall(r"\]\(([^)#:]+)\)", text)
        if not (path.parent / target).exists()
    ]
    assert dead == []


def test_examples_are_definitions() -> None:
    """The folder that the demo applies holds the campaigns of the three use cases."""
    ids = {campaign.id for campaign in read_definitions(ROOT / "examples").campaigns}
    assert ids >= {
        "free-shipping",
        "fifteen-percent-off",
        "onboarding-1",
        "onboarding-2",
        "abandoned-cart",
        "cart-reminder",
    }


@pytest.mark.parametrize("document", ["README.md", "docs/campaigns.md"])
def test_campaigns_in_the_documents_are_definitions(document: str) -> None:
    """What a reader copies out of a document can be applied."""
    text = (ROOT / document).read_text()
    blocks = re.findall(r"```yaml\n(.*?)```", text, re.DOTALL) + re.findall(r"<<'YAML'\n(.*?)YAML\n", text, re.DOTALL)
    read = [data for block in blocks for data in yaml.safe_load_all(block) if {"campaign", "workspace"} & set(data)]
    assert read
    for data in read:
        parse_definition(data)


def test_every_setting_is_documented() -> None:
    """docs/settings.md is what the models generate; a line for each variable. `make pages` regenerates it."""
    page = PAGE.read_text()
    assert generate_page(page) == page
    assert all(f"\n| `{one.variable}` |" in page for one in list_settings(Settings))


def test_documents_name_settings_that_exist() -> None:
    """Every CONNECTOR_ variable in a document is one of today, not an earlier name."""
    settings = list_settings(Settings)
    known = {name for one in settings for name in (one.variable, f"{one.variable}_FILE" if one.is_secret else "")}
    pages = [path for path, _ in _texts() if path.suffix == ".md" and path != PAGE and path.name != "CHANGELOG.md"]
    named = {(path.name, name) for path in pages for name in re.findall(r"CONNECTOR_[A-Z_]*[A-Z]\b", path.read_text())}
    prefixes = {str(one.section.model_config["env_prefix"]).rstrip("_") for one in settings}
    assert {(page, name) for page, name in named if name not in known | prefixes} == set()


def test_imports_go_in_the_directions_of_the_design() -> None:
    """The contracts in pyproject.toml hold (design 4)."""
    checked = subprocess.run(
        [Path(sys.executable).parent / "lint-imports", "--no-cache"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_import_contracts_name_every_package() -> None:
    """A new package needs a place in the layers, and a new dependency is not one of the rules by accident."""
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    packages = [
        path.parent.relative_to(ROOT) for top in ("connector", "starter") for path in (ROOT / top).rglob("__init__.py")
    ]
    containers = {".".join(package.parent.parts) for package in packages if package.parent.parts}
    assert {name for one in contracts if one.get("exhaustive") for name in one["containers"]} == containers

    forbidden = {
        tuple(one["source_modules"]): set(one["forbidden_modules"]) for one in contracts if one["type"] == "forbidden"
    }
    layers = next(one["layers"] for one in contracts if one.get("containers") == ["connector"])
    parts = {f"connector.{part}" for layer in layers for part in layer.split(" | ")}
    allowed = {"connector.rules", "connector.names", "connector.wire"}
    assert forbidden[("workflows",)] == parts - allowed | {"sqlalchemy"}
    assert forbidden[("connector.rules",)] == _third_party() - {"pydantic", "pydantic_core", "idna", "phonenumbers"}


def _third_party() -> set[str]:
    """Return the packages of others that the code imports."""
    found = set()
    for path in [ROOT / "worker.py", *(path for top in CODE for path in (ROOT / top).rglob("*.py"))]:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                found |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module:
                found.add(node.module.partition(".")[0])
    return found - sys.stdlib_module_names - {*CODE, "worker"}


def _contract_row(contract: dict[str, Any]) -> str:
    """A contract of pyproject.toml as its row in docs/architecture.md."""
    kind = contract["type"]
    if kind == "layers":
        container = f"`{contract['containers'][0]}`: " if "containers" in contract else ""
        layers = [", ".join(f"`{name.strip()}`" for name in layer.split("|")) for layer in contract["layers"]]
        return f"| {contract['name']} | {container}{' · '.join(layers)} |"
    listed = {"forbidden": "forbidden_modules", "protected": "protected_modules", "acyclic_siblings": "ancestors"}[kind]
    checked = ", ".join(f"`{name}`" for name in contract[listed])
    if kind == "forbidden":
        checked = f"no {checked}"
    if kind == "protected":
        checked += " ← " + ", ".join(f"`{name}`" for name in contract["allowed_importers"])
    return f"| {contract['name']} | {checked} |"


def test_architecture_states_the_import_contracts() -> None:
    """docs/architecture.md lists exactly the contracts that `make lint` checks."""
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    page = (ROOT / "docs/architecture.md").read_text()
    table = page.partition("| contract | checked |\n|---|---|\n")[2].partition("\n\n")[0]
    assert table.splitlines() == [_contract_row(contract) for contract in contracts]


def test_files_beside_the_code_are_packaged() -> None:
    """Whoever installs the package has what the code reads beside itself: examples, mappings, static files."""
    data = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["package-data"]
    packaged = {
        path
        for package, globs in data.items()
        for glob in globs
        for path in (ROOT / package.replace(".", "/")).glob(glob)
    }
    beside = {path for path, _ in _texts() if path.relative_to(ROOT).parts[0] in CODE and path.suffix != ".py"}
    assert beside - packaged == set()
