"""Faults of timelines and of JSON: one sentence in the words of this project, with its place and what would be right.

Source: RFC 8259, by section; the issue of this tree for the byte order mark and the empty file.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from connector.rules.model.json_text import JsonInvalid, read_json_text
from connector.simulation.timeline import InvalidTimeline, Timeline
from starter.api.requests.body import parse_json
from starter.api.requests.errors import ApiError
from tests.support.library_words import LIBRARY_WORDS

ROWS: list[tuple[bytes | str, int, str]] = [
    # section 2: the grammar
    (b"{", 1, "the closing } is missing"),
    (b'{"a"', 4, "the closing } is missing"),
    (b'{"a":1', 6, "the closing } is missing"),
    (b"[1", 2, "the closing ] is missing"),
    (b'{"a":', 5, "it ends where there should be a value"),
    (b'{"a":"x', 7, 'the closing " is missing'),
    (b'{"a":1} x', 9, "it goes on after the end of its value"),
    (b'{"a":1}{"b":2}', 8, "it goes on after the end of its value"),
    (b"// c", 1, "JSON has no comments"),
    (b"# c", 1, "JSON has no comments"),
    # section 3: values
    (b'{"a":True}', 6, "write true in lower case"),
    (b'{"a":False}', 6, "write false in lower case"),
    (b'{"a":None}', 6, "write null for no value"),
    (b'{"a":undefined}', 6, "write null for no value"),
    (b'{"a":tru}', 9, "write true, false or null"),
    (b'{"a":hello}', 6, "texts are written in double quotes"),
    (b'{"a":}', 6, "there should be a value"),
    # sections 4 and 5: objects and lists
    (b"{a:1}", 2, "keys are written in double quotes"),
    (b"{1:2}", 2, "keys are written in double quotes"),
    (b"{'a':1}", 2, "texts are written in double quotes, not in single ones"),
    (b"{\"a\":'x'}", 6, "texts are written in double quotes, not in single ones"),
    ("{“a”: 1}", 2, "write straight double quotes"),
    ('{"a": „b“}', 7, "write straight double quotes"),
    (b'{"a" 1}', 6, "write a colon between a key and its value"),
    (b'{"a"=1}', 5, "write a colon between a key and its value"),
    (b'{"a":1 "b":2}', 8, "write a comma before the next key"),
    (b"[1 2]", 4, "write a comma before the next value"),
    (b'{"a":1,}', 8, "remove the comma before the end"),
    (b"[1,]", 4, "remove the comma before the end"),
    (b'{"a":1,,"b":2}', 8, "there is one comma too many"),
    # section 6: numbers
    (b'{"a":NaN}', 6, "JSON has neither None nor NaN"),
    (b'{"a":Infinity}', 6, "JSON has no infinite numbers"),
    (b'{"a":01}', 7, "this is not a number as JSON writes it"),
    (b'{"a":1.}', 8, "this is not a number as JSON writes it"),
    (b'{"a":.5}', 6, "write a digit before the decimal point"),
    (b'{"a":+1}', 6, "a number has no plus sign"),
    (b'{"a":' + b"9" * 5000 + b"}", 4307, "the number has too many digits"),
    # section 7: texts
    (b'{"a":"x\ty"}', 8, "a text has a line break, a tab"),
    (b'{"a":"\\x"}', 8, "after a backslash there may be only"),
    (b'{"a":"\\u12"}', 11, "after a backslash there may be only"),
    (b'{"a":"\\ud83d"}', 13, "is half of a character"),
    (b'{"a":"\\ude00"}', 12, "is half of a character"),
    # section 8.1: UTF-8
    (b'{"a":"\xff"}', 7, "a text has a byte that is not UTF-8"),
    ('{"ä":"Gr'.encode() + b"\xfc", 9, "a text has a byte that is not UTF-8"),
    ('{"ä":"ö", b:1}', 11, "keys are written in double quotes"),
    # section 9: a parser may set limits
    (b"[" * 300, 202, "is nested more than 200 levels deep"),
]


@pytest.mark.parametrize(("text", "column", "words"), ROWS, ids=range(len(ROWS)))
def test_json(text: bytes | str, column: int, words: str) -> None:
    """The column, in characters from 1, and what would be right; the text itself is not quoted."""
    with pytest.raises(JsonInvalid) as raised:
        read_json_text(text, is_line=True)
    fault_text = str(raised.value)
    assert (
        fault_text.startswith(f"is not JSON, at column {column}: {words.partition('; ')[0][:9]}") or words in fault_text
    )
    assert words in fault_text
    assert f"column {column}:" in fault_text, fault_text
    assert not LIBRARY_WORDS.search(fault_text.replace("neither None nor", "")), fault_text


@pytest.mark.parametrize("text", [b"", b" ", b"\n", b"\xef\xbb\xbf", ""])
def test_the_fault_of_an_empty_text(text: bytes | str) -> None:
    """Not that a value was expected."""
    with pytest.raises(JsonInvalid, match=r"^is empty$"):
        read_json_text(text)


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be"])
def test_other_encodings(encoding: str) -> None:
    """RFC 8259, section 8.1: JSON is UTF-8."""
    with pytest.raises(JsonInvalid, match="looks like UTF-16; save it as UTF-8"):
        read_json_text('{"a": 1}'.encode(encoding))


def test_byte_order_mark_is_skipped() -> None:
    """RFC 8259, section 8.1: implementations may ignore it, as YAML does here."""
    assert read_json_text(b"\xef\xbb\xbf{}") == read_json_text("\ufeff{}") == {}


def test_every_slip_of_the_keyboard() -> None:
    """A character too many, or one too few, anywhere: never a sentence of the library."""
    wrong = []
    good = '{"id": "e1", "list": [1, -2.5e3, true, null], "text": "a\\u00fc\\n", "in": {"x": {}}}'
    for at in range(len(good)):
        for inserted in ("", ",", "}", "]", '"', "'", "”", ":", "\\", "x", "0", "\t", "\x00", "\u00a0"):
            try:
                read_json_text(good[:at] + inserted + good[at if inserted else at + 1 :])
            except JsonInvalid as fault:
                fault_text = str(fault).replace("neither None nor", "")
                if LIBRARY_WORDS.search(fault_text) or "well-formed" in fault_text:
                    wrong.append(f"{at} {inserted!r}: {fault_text}")
    assert wrong == []


def test_body_over_http_names_line_and_column() -> None:
    """The same words over HTTP."""
    with pytest.raises(ApiError, match=r"the body is not JSON, at line 2, column 3: keys are written in double quotes"):
        parse_json(b'{"a": 1,\n  b: 2}')


AT = '"at": "2026-03-02T10:00:00Z"'


def user(**fields: Any) -> str:
    return json.dumps({"at": "2026-03-02T10:00:00Z", "user": fields})


def item(**fields: Any) -> str:
    return json.dumps({"at": "2026-03-02T10:00:00Z", "interaction": fields})


def applied(definition: Any) -> str:
    return json.dumps({"at": "2026-03-02T10:00:00Z", "apply": definition})


SCHEDULED = {"campaign": "f", "delivery": {"type": "scheduled", "send": None}}
LINES: list[tuple[str, str]] = [
    ('{"at": "2026-03-02", "publish": "o"}', "needs a time zone, like"),
    ('{"at": "2026-03-02T10:00:00", "publish": "o"}', "needs a time zone, like"),
    ('{"at": "2026-13-02T10:00:00Z", "publish": "o"}', "is not a time; write one with its zone, like"),
    ('{"at": "10:00", "publish": "o"}', "is not a time; write one with its zone, like"),
    ('{"at": null, "publish": "o"}', "an empty value is not a time"),
    ('{"at": 7, "publish": "o"}', "7 is not a time"),
    ('{"at": true, "publish": "o"}', "true is not a time"),
    (f'{{{AT}, "pubish": "o"}}', "unknown key 'pubish'; did you mean publish?"),
    (f'{{{AT}, "why": "o"}}', "unknown key 'why'; a line has at and one of"),
    (f'{{{AT}, "publish": "o"', "the closing } is missing; each line holds one whole object"),
    (f'[{{{AT}, "publish": "o"}}]', "is not an object"),
    (f'{{{AT}, "user": "u"}}', "user: must be an object"),
    (user(id="u", push_tokens="t"), "user: push_tokens: must be a list; put it in brackets"),
    (user(id="u", push_tokens=None), "user: push_tokens: must be a list; write [] for none"),
    (user(id="u", attributes=[]), "user: attributes: must be a mapping"),
    (user(id=7), 'user: id: must be text; quote it: "7"'),
    (user(), "user: id: is missing"),
    (user(id="u", timezone="UTC"), "user: timezone: unknown key; did you mean time_zone?"),
    (user(id="u", consent={"push": "no"}), "user: consent.push: 'no' is not one of"),
    (item(user="u", type="start_session", sku=1), "interaction: sku: unknown key; known"),
    (item(user="u", type=None), "interaction: type: an empty value is unknown"),
    (item(user=None, type="start_session"), "interaction: user: is empty; it must be text"),
    (item(type="start_session"), "interaction: user: is missing"),
    (applied(SCHEDULED), "apply: delivery.send: is empty"),
    (applied({"workspace": "w", "stale_after": "9999999999 days"}), "is longer than a hundred years"),
    (applied(None), "apply: a definition is a mapping that begins with"),
]


def faults_of(folder: Path, content: bytes) -> str:
    (folder / "t.jsonl").write_bytes(content)
    with pytest.raises(InvalidTimeline) as raised:
        list(Timeline(folder / "t.jsonl").steps())
    return str(raised.value)


@pytest.mark.parametrize(("line", "words"), LINES, ids=range(len(LINES)))
def test_line(tmp_path: Path, line: str, words: str) -> None:
    """The number of the line, the key, one sentence, and one hint."""
    good = json.dumps({"at": "2026-03-02T09:00:00Z", "publish": "o"})
    fault_text = faults_of(tmp_path, f"{good}\n{line}\n".encode())
    assert fault_text.startswith(f"{tmp_path}/t.jsonl: line 2: ")
    assert words in fault_text, fault_text
    assert fault_text.count("; write") <= 1
    assert fault_text.count("2026-03-02T12:00:00Z") + fault_text.count("2026-03-02T09:00:00+01:00") <= 1
    assert not LIBRARY_WORDS.search(fault_text), fault_text


def test_mark_and_line_breaks(tmp_path: Path) -> None:
    """A byte order mark and the line breaks of Windows change nothing."""
    lines = b"\r\n".join(f'{{{AT}, "publish": "{name}"}}'.encode() for name in "ab")
    (tmp_path / "t.jsonl").write_bytes(b"\xef\xbb\xbf" + lines + b"\r\n")
    assert [step.value for step in Timeline(tmp_path / "t.jsonl").steps()] == [("a",), ("b",)]


def test_other_encoding_is_named(tmp_path: Path) -> None:
    """UTF-16 is named, in the first line already."""
    fault_text = faults_of(tmp_path, f'{{{AT}, "publish": "o"}}\n'.encode("utf-16"))
    assert "line 1: is not UTF-8 text but looks like UTF-16; save it as UTF-8" in fault_text
