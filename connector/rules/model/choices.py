"""Telling the forms of a definition apart by their keys, so that a fault is told of the form that was meant."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from difflib import get_close_matches
from typing import Any

from pydantic import BaseModel, Discriminator, Tag

WORD = Tag("word")
"""The tag of the plain words among the forms."""

UNKNOWN_FORM = "unclear_form"
"""The type of pydantic's error where a value has none of the forms."""


def form_discriminator(
    forms: Mapping[str, type[BaseModel]], *, words: Collection[str] = (), right: str
) -> Discriminator:
    """Tells the forms apart: each is a mapping with a key of its own, or one of some plain words.

    Args:
        forms: from the key that only this form has to its model, whose name is its tag.
        words: what may stand there without a mapping; their tag is WORD.
        right: what to write, for the error where it is none of them.
    """

    def tag_of(value: Any) -> str | None:
        if isinstance(value, BaseModel):
            return type(value).__name__
        if isinstance(value, str):
            return WORD.tag if value in words else None
        return _model_of(value, forms) if isinstance(value, dict) else None

    return Discriminator(tag_of, custom_error_type=UNKNOWN_FORM, custom_error_message=_literally(right))


def _literally(message: str) -> str:
    # pydantic takes what stands between braces for the name of a value to put there.
    return message


def _model_of(value: Mapping[Any, Any], forms: Mapping[str, type[BaseModel]]) -> str | None:
    """The form whose key is there, or else the one whose key was probably misspelt."""
    meant = next((key for key in forms if key in value), None)
    if meant is None:
        close = (match for key in value for match in get_close_matches(str(key), forms, 1, 0.75))
        meant = next(close, None)
    return forms[meant].__name__ if meant else None
