"""Sentences of libraries, none of which may reach a user."""

import re

LIBRARY_WORDS = re.compile(
    r"Value error|Field required|Extra inputs|Assertion failed|Unable to"
    r"|(Input|String|Data|Keys|URL|List|Tuple) should"
    r"|valid (string|tuple|list|dictionary|integer|number|boolean|datetime|URL)|pydantic|NoneType|<class|Traceback"
    r"|at line \d+ column|EOF while|expected (ident|value|`)|trailing characters|key must be a string"
    r"|while (scanning|parsing)|found (character|unknown|unexpected)|(did|could) not find|are not allowed in this"
    r"|codec can't|\bNone\b|\bTrue\b|\bFalse\b"
)
