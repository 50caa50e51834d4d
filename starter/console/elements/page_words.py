"""Sentences of operations on a page: what they say of the command line, said of the pages instead.

The API and the command line get the same sentences, whose ways out are commands. On a page the way out is a button or
another page.
"""

from __future__ import annotations

import re

_WORDS = (
    (r"then `connector resolve \S+ --sent` or `--not-sent`", "then settle it on the page of the follow-up"),
    (r"then `connector resend \S+`", "then send it again"),
    (r"`connector resolve \S+ --not-sent --note …`", "on the page of the follow-up"),
    (r"`connector audit --action resolve` shows who did, and the note", "the audit trail says who did, and the note"),
    (r"`connector status` lists the campaigns", "the page Campaigns lists them"),
    (r"`connector follow-ups --user \S+` lists those of its user", "the page of its user leads to the others"),
    (r"`connector follow-ups` lists them", "the page Follow-ups lists them"),
    (r"GET /v1/follow-ups and `connector explain` show their ids", "the page Follow-ups lists them"),
    (r"create a new one with `connector keys create`", "create a new one"),
    (r"`connector keys list` shows them", "the page Keys lists them"),
    (r"apply them by `connector apply`, not with this text", "they cannot be saved with this text"),
    (r"later, or run `connector backtest` on the store", "later"),
    (r" \((?:publish|resume) [^()]+\)", ""),
)
_PATTERNS = [(re.compile(pattern), words) for pattern, words in _WORDS]


def in_page_words(sentence: str) -> str:
    """Return a sentence of an operation in the words of pages."""
    for pattern, words in _PATTERNS:
        sentence = pattern.sub(words, sentence)
    return sentence


def as_sentence(words: str) -> str:
    """Return the same with a capital."""
    return in_page_words(words[:1].upper() + words[1:])
