"""Pictures of small simulations, and those of the documentation."""

import re
from pathlib import Path
from xml.etree import ElementTree

import pytest

from tests.support.builders import ORIGINAL
from tests.support.repository import BEHAVIOUR, BEHAVIOUR_CASES, DOCS
from tests.support.simulation import Connector
from tests.support.stories import LOOKED, NUDGE, at, begin, look, push

PICTURES = DOCS / "pictures"
DRAWN_FROM = {
    "delays": PICTURES / "delays",
    "exceptions": PICTURES / "exceptions",
    "late": PICTURES / "late",
    "publish-order": PICTURES / "publish-order",
    "quiet-hours": BEHAVIOUR / "17-quiet-hours",
    "second-trigger": BEHAVIOUR / "14-a-second-trigger",
    "stop": BEHAVIOUR / "20-stop-and-resume",
}
SVG = "{http://www.w3.org/2000/svg}"


def _draw(connector: Connector, case: Path, picture: Path) -> str:
    words = ("--campaigns", case / "campaigns.yaml", "--timeline", case / "timeline.jsonl", "--picture", picture)
    run = connector("simulate", *words)
    assert run.code == 0, run.err
    return picture.read_text(encoding="utf-8")


@pytest.mark.parametrize("name", DRAWN_FROM)
def test_pictures_of_the_documentation(connector: Connector, tmp_path: Path, name: str) -> None:
    """Each is what `connector simulate --picture` draws today; if it differs, draw it again and check it."""
    assert _draw(connector, DRAWN_FROM[name], tmp_path / "now.svg") == (PICTURES / f"{name}.svg").read_text()


def test_every_picture_has_its_source() -> None:
    """No picture without its timeline, and each is shown in the page."""
    assert sorted(path.stem for path in PICTURES.glob("*.svg")) == sorted(DRAWN_FROM)
    assert set(re.findall(r"\]\(pictures/(.*)\.svg\)", (PICTURES.parent / "behaviour.md").read_text())) == set(
        DRAWN_FROM
    )


@pytest.mark.parametrize(
    "case", [folder for folder in BEHAVIOUR_CASES if "refused" not in folder.name], ids=lambda f: f.name
)
def test_labels_do_not_touch(connector: Connector, tmp_path: Path, case: Path) -> None:
    """Whatever is drawn is well-formed, inside the picture, and no two texts lie over each other."""
    page = ElementTree.fromstring(_draw(connector, case, tmp_path / "drawn.svg"))
    _, _, width, height = map(float, page.attrib["viewBox"].split())
    boxes = sorted(_box(text) for text in page.iter(f"{SVG}text"))
    assert all(box[0] >= 0 and box[2] <= width and box[3] <= height for box in boxes)
    over = [(a, b) for n, a in enumerate(boxes) for b in boxes[n + 1 :] if _over(a, b)]
    assert over == []


def test_names_are_escaped(connector: Connector, simulate: Connector, tmp_path: Path) -> None:
    """A user's id is text, whatever it is."""
    picture = tmp_path / "p.svg"
    story = [ORIGINAL, NUDGE, *begin("f", "o"), push("10:00", "a", user="<b>&'\"")]
    assert simulate(*story, words=("--picture", str(picture))).code == 0
    texts = [text.text for text in ElementTree.fromstring(picture.read_text()).iter(f"{SVG}text")]
    assert "<b>&'\"" in texts


def test_what_waits_and_what_nothing_came_of(simulate: Connector, tmp_path: Path) -> None:
    """A wait reaches the edge; a user without outcomes has a lane as well."""
    picture = tmp_path / "p.svg"
    story = [ORIGINAL, NUDGE, *begin("f", "o"), push("10:00", "a"), look("10:10", "b", user="v")]
    assert simulate(*story, words=("--picture", str(picture), "--until", at("10:30"))).code == 0
    texts = [text.text for text in ElementTree.fromstring(picture.read_text()).iter(f"{SVG}text")]
    assert {"u", "v", "waiting", "looked"} <= set(texts)


@pytest.mark.parametrize("users", [0, 41])
def test_too_much_and_nothing(simulate: Connector, tmp_path: Path, users: int) -> None:
    """Exit code 1 with the bound; the outcomes are printed all the same."""
    definition = {**NUDGE, "delivery": {"type": "action_based", "trigger": [LOOKED]}}
    lines = [look("10:00", f"a{n}", user=f"u{n}") for n in range(users)]
    run = simulate(definition, *begin("f"), lines, words=("--json", "--picture", str(tmp_path / "p.svg")))
    assert (run.code, len(run.outcomes)) == (1, users)
    assert "1 to 40" in run.err
    assert not (tmp_path / "p.svg").exists()


def test_picture_that_cannot_be_written(simulate: Connector, tmp_path: Path) -> None:
    """Exit code 1, with the reason."""
    story = [ORIGINAL, NUDGE, *begin("f", "o"), push("10:00", "a")]
    run = simulate(*story, words=("--picture", str(tmp_path / "not-there" / "p.svg")))
    assert run.code == 1
    assert "cannot be written" in run.err


def _box(text: ElementTree.Element) -> tuple[float, float, float, float]:
    """Left, top, right and bottom, as wide as the letters are on average."""
    x, y, width = float(text.attrib["x"]), float(text.attrib["y"]), 5.6 * len(text.text or "")
    left = {"start": x, "middle": x - width / 2, "end": x - width}[text.attrib["text-anchor"]]
    return left, y - 10, left + width, y + 3


def _over(a: tuple[float, float, float, float], b: tuple[float, float, float, float]) -> bool:
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]
