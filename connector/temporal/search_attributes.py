"""Messages about search attributes that are missing or have another type, with the commands that correct it."""

from __future__ import annotations

from collections.abc import Mapping

from temporalio.api.enums.v1 import IndexedValueType


def type_name(kind: int) -> str:
    """Return the name of a search attribute's type as `temporal` and `tcld` write it, such as `Keyword`."""
    words = IndexedValueType.Name(IndexedValueType.ValueType(kind)).removeprefix("INDEXED_VALUE_TYPE_").split("_")
    return "".join(word.capitalize() for word in words)


def describe_wrong_types(registered: Mapping[str, str], expected: Mapping[str, str]) -> str | None:
    """Return one sentence on the attributes of another type; None: there are none."""
    wrong = {name: kind for name, kind in expected.items() if registered.get(name, kind) != kind}
    if not wrong:
        return None
    named = ", ".join(f"{name} is {registered[name]} and must be {kind}" for name, kind in wrong.items())
    return (
        f"search attributes of the namespace have another type: {named}: remove them with `temporal operator "
        "search-attribute remove --name NAME` (Temporal Cloud: rename them with `tcld namespace search-attributes "
        "rename`), then run `connector setup`; or give the connector a namespace of its own"
    )


def describe_missing(missing: Mapping[str, str], namespace: str) -> str:
    """Return one sentence on attributes that the namespace lacks.

    Args:
        missing: their types by name.
    """
    named = ", ".join(f"{name} ({kind})" for name, kind in missing.items())
    return (
        f"the namespace lacks search attributes, so that no follow-up starts: {named}: run `connector setup`; on "
        f"Temporal Cloud {cloud_command(missing, namespace)}"
    )


def cloud_command(missing: Mapping[str, str], namespace: str) -> str:
    """Return how to register attributes on Temporal Cloud, which only its own program and UI can."""
    options = " ".join(f"--sa {name}={kind}" for name, kind in missing.items())
    return f"run `tcld namespace search-attributes add -n {namespace} {options}`, or add them in its UI"
