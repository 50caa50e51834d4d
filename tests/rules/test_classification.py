"""People or machines: one table of requests and their classes (M2)."""

from datetime import UTC, datetime, timedelta

import pytest

from connector.rules.provider_events.classification import EngagementKind, Indicator, Visit, VisitClass, classify

AT = datetime(2026, 3, 2, 12, tzinfo=UTC)
LONG_AGO = AT - timedelta(minutes=5)
CHROME = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36"
)
GOOGLE = "Mozilla/5.0 (Windows NT 5.1; rv:11.0) Gecko Firefox/11.0 (via ggpht.com GoogleImageProxy)"
YAHOO = "YahooMailProxy; https://help.yahoo.com/kb/yahoo-mail-proxy-SLN28749.html"
OPEN, CLICK = EngagementKind.OPEN, EngagementKind.CLICK
HUMAN, MACHINE, SUSPECT = VisitClass.HUMAN, VisitClass.MACHINE, VisitClass.SUSPECT


def is_crawler(agent: str) -> bool:
    return any(name in agent for name in ("bot", "curl", "GoogleImageProxy", "YahooMailProxy"))


def click(link: int = 0, *, after: float = 0, agent: str = CHROME) -> Visit:
    return Visit(CLICK, AT + timedelta(seconds=after), agent, link=link)


@pytest.mark.parametrize(
    ("engagement", "agent", "method", "kind", "signs"),
    [
        (OPEN, CHROME, "GET", HUMAN, []),
        (CLICK, CHROME, "GET", HUMAN, []),
        (OPEN, GOOGLE, "GET", HUMAN, [Indicator.IMAGE_PROXY]),
        (OPEN, YAHOO, "GET", HUMAN, [Indicator.IMAGE_PROXY]),
        (CLICK, GOOGLE, "GET", MACHINE, [Indicator.KNOWN_AGENT]),
        (OPEN, "Mozilla/5.0", "GET", MACHINE, [Indicator.PRIVACY_PROXY]),
        (CLICK, "Mozilla/5.0", "GET", SUSPECT, [Indicator.NO_AGENT]),
        (CLICK, "", "GET", SUSPECT, [Indicator.NO_AGENT]),
        (OPEN, " ", "GET", SUSPECT, [Indicator.NO_AGENT]),
        (CLICK, CHROME, "HEAD", MACHINE, [Indicator.HEAD_REQUEST]),
        (OPEN, CHROME, "HEAD", MACHINE, [Indicator.HEAD_REQUEST]),
        (OPEN, GOOGLE, "HEAD", MACHINE, [Indicator.IMAGE_PROXY, Indicator.HEAD_REQUEST]),
        (CLICK, "curl/8.1", "GET", MACHINE, [Indicator.KNOWN_AGENT]),
        (OPEN, "somebot/1.0", "HEAD", MACHINE, [Indicator.KNOWN_AGENT, Indicator.HEAD_REQUEST]),
    ],
)
def test_one_request(
    engagement: EngagementKind, agent: str, method: str, kind: VisitClass, signs: list[Indicator]
) -> None:
    """M2: the agent and the method, long after the message went out."""
    result = classify(Visit(engagement, AT, agent, method), LONG_AGO, [], is_crawler)
    assert (result.visit_class, list(result.indicators)) == (kind, signs)


@pytest.mark.parametrize(
    ("seconds", "kind"), [(-3, HUMAN), (-1.9, SUSPECT), (0, SUSPECT), (1.999, SUSPECT), (2, HUMAN), (None, HUMAN)]
)
@pytest.mark.parametrize("engagement", [OPEN, CLICK])
def test_seconds_after_the_dispatch(engagement: EngagementKind, seconds: float | None, kind: VisitClass) -> None:
    """M2: nobody reads within two seconds; clocks that differ a little, or an unknown dispatch, prove nothing."""
    dispatched = None if seconds is None else AT - timedelta(seconds=seconds)
    assert classify(Visit(engagement, AT, CHROME), dispatched, [], is_crawler).visit_class is kind


def test_a_proxy_that_is_too_quick_is_suspect() -> None:
    """M2: an image proxy fetches for a reader, unless nobody can have read yet."""
    result = classify(Visit(OPEN, AT, GOOGLE), AT - timedelta(seconds=1), [], is_crawler)
    assert (result.visit_class, result.indicators) == (SUSPECT, (Indicator.IMAGE_PROXY, Indicator.AT_ONCE))


@pytest.mark.parametrize(
    ("others", "kind"),
    [
        ([], HUMAN),
        ([click(0, after=1)], HUMAN),  # the same link twice is an impatient person
        ([click(1, after=2)], SUSPECT),
        ([click(1, after=-2)], SUSPECT),
        ([click(1, after=2.1)], HUMAN),
        ([click(1, after=-1), click(2, after=1)], MACHINE),
        ([click(1, after=-1), click(1, after=1)], SUSPECT),
        ([Visit(OPEN, AT, CHROME)], HUMAN),  # opening and clicking is what people do
    ],
)
def test_bursts(others: list[Visit], kind: VisitClass) -> None:
    """M2: several links of one delivery within two seconds, also when this click was the first of them."""
    assert classify(click(), LONG_AGO, others, is_crawler).visit_class is kind


def test_two_suspicions_make_a_machine() -> None:
    """M2: two links, seconds after the mail went out, is a scanner."""
    result = classify(click(), AT - timedelta(seconds=1), [click(1, after=0.5)], is_crawler)
    assert (result.visit_class, result.indicators) == (MACHINE, (Indicator.BURST, Indicator.AT_ONCE))


@pytest.mark.parametrize(
    ("engagement", "agent", "properties"),
    [
        (OPEN, CHROME, {"classified": "human", "reasons": [], "opens": "human"}),
        (OPEN, "Mozilla/5.0", {"classified": "machine", "reasons": ["privacy_proxy"], "opens": "machine"}),
        (OPEN, "", {"classified": "suspect", "reasons": ["no_agent"]}),
        (CLICK, CHROME, {"classified": "human", "reasons": []}),
        (CLICK, "", {"classified": "suspect", "reasons": ["no_agent"]}),
        (CLICK, "curl/8", {"classified": "machine", "reasons": ["known_agent"], "robot": True}),
    ],
)
def test_properties_of_the_interaction(engagement: EngagementKind, agent: str, properties: dict[str, object]) -> None:
    """M2: a suspect open is only `any`; only a machine's click is a robot's."""
    assert classify(Visit(engagement, AT, agent), LONG_AGO, [], is_crawler).properties(engagement) == properties
