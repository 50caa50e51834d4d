"""The version of this program, as `connector --version`, the API's description and the logs show it."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version


def program_version() -> str:
    """Return the version of the installed package; "0" if the program runs from a checkout without installation."""
    try:
        return version("campaign-connector")
    except PackageNotFoundError:
        return "0"
