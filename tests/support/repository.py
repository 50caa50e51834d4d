"""Where the parts of this repository are."""

from pathlib import Path

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
EXAMPLES = ROOT / "examples"
BEHAVIOUR = EXAMPLES / "behaviour"
BEHAVIOUR_CASES = sorted(folder for folder in BEHAVIOUR.iterdir() if folder.is_dir())
