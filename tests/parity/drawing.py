"""Stories drawn from a seed: small campaigns, and what a few users do with them within some days of March 2026.

Each theme draws one part of `behaviour.md` densely. Two things are kept apart, because production leaves their order
open: orders are given at seconds at which nobody interacts, and every follow-on's delay has a second of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from random import Random  # noqa: TID251 - the seed is the story's name; no rule draws anything
from typing import Any

from connector.rules.model.values import format_instant
from tests.parity.story import Story

Json = dict[str, Any]
Draw = Callable[[Random], Json]

MONDAY = datetime(2026, 3, 2, 8, tzinfo=UTC)
NAMES = "fgh"

ORIGINAL = {"campaign": "o", "delivery": {"type": "external"}}
CARD = {"card": "k", "title": "Spring", "body": "it is here"}
PUSHED = {"interaction": "receive_push", "campaign": "o"}
OPENED = {"interaction": "open_push", "campaign": "o"}
VIEWED = {"interaction": "view_news_feed_card", "card": "k"}
READ = {"interaction": "open_email", "campaign": "o"}
CLICKED = {"interaction": "click_email", "campaign": "o"}
LOOKED = {"event": "looked"}
BOUGHT = {"event": "make_purchase"}

REPORTS: Sequence[Json] = (
    {"type": "receive_push", "campaign": "o"},
    {"type": "receive_push", "campaign": "o"},
    {"type": "open_push", "campaign": "o"},
    {"type": "event", "name": "looked"},
    {"type": "make_purchase"},
    {"type": "view_news_feed_card", "card": "k"},
    {"type": "open_email", "campaign": "o"},
)
PUSH = {"title": "Hi {{ user.first_name }}", "body": "there"}
EMAIL = {"subject": "Hi", "text": "there"}
CONTENTS: Mapping[str, Json] = {
    "push": PUSH,
    "email": EMAIL,
    "sms": {"body": "Hi"},
    "in_app_message": {"title": "Hi", "body": "there"},
    "webhook": {"url": "https://shop.example/hook"},
}
ABORTS = {"title": "{% if user.attributes.tier == 'gold' %}{% abort_message %}{% endif %}Hi", "body": "there"}

TRIGGERS: Sequence[Json] = (PUSHED, PUSHED, LOOKED, OPENED, VIEWED, READ)
EXCEPTIONS: Sequence[Json] = (
    BOUGHT,
    OPENED,
    PUSHED,
    LOOKED,
    READ,
    {**BOUGHT, "same": ["sku"]},
    {**LOOKED, "same": ["sku"]},
    {**BOUGHT, "where": {"sku": "A"}},
)
SKUS: Sequence[Json] = ({"sku": "A"}, {"sku": "A"}, {"sku": "B"}, {"sku": "B"}, {})
MIXED: Sequence[Any] = (
    1, 1.0, True, "1", None, 0, -0.0, False, "", 10**23, 1e23, 2**53 + 1, 2**53,
    [1, None], [1.0, None], {"a": 1}, {"a": 1.0}, {},
)  # fmt: skip
"""JSON values of which some are one value in different words."""

AGAIN = ("always", "always", "always", "never", {"after": "10 minutes"}, {"after": "2 hours"}, {"after": "1 day"})
ZONES = ("UTC", "America/New_York", "Asia/Tokyo", "Pacific/Auckland")


@dataclass(frozen=True)
class Theme:
    """The parts that one family of stories draws.

    `reports` has what users do, `properties` what else it says.
    `late` has by how many minutes an interaction may arrive late, `minutes` over how long the interactions spread, and
    `step` how far apart they are, unless they happen at one instant. `fractions` has which part of its second an
    interaction names; those of one second arrive together at its end. `orders` is how many stops, resumes, archivings
    and edits there may be, `changes` how many descriptions of each user. A theme with `chains` has a follow-on of what
    sending makes, and a scheduled original with conversions.
    """

    follow_on: Draw
    workspace: Draw = lambda _: {}
    user: Draw = lambda _: {"push_tokens": ["token"], "email": "ada@shop.example"}
    late: Sequence[int] = (0, 0, 0, 1, 30, 90, 300)
    minutes: int = 360
    step: int = 1
    fractions: Sequence[float] = (0,)
    reports: Sequence[Json] = REPORTS
    properties: Sequence[Json] = SKUS
    orders: int = 0
    changes: int = 0
    chains: bool = False


def waits(random: Random) -> Json:
    """Triggers, exceptions and keys: T1 to T5, X1 to X4."""
    return {
        "trigger": random.choices(TRIGGERS, k=random.choice((1, 1, 2))),
        "delay": random.choice((0, 10, 60, 60, 240)),
        "exceptions": random.sample(EXCEPTIONS, k=random.choice((0, 1, 1, 2))),
        "retrigger": random.choice(("ignore", "restart")),
        "eligible_again": random.choice(AGAIN),
        "key": random.choice((None, None, "properties.sku")),
    }


def reported(random: Random) -> Json:
    """The properties of reports: JSON values in `where`, `same` and `key`, and robots (M2, M9)."""
    where = {"where": {"sku": random.choice(MIXED)}}
    triggers = ({**LOOKED, **where}, LOOKED, LOOKED, CLICKED, {**READ, "opens": random.choice(("human", "machine"))})
    exceptions = (
        BOUGHT,
        CLICKED,
        {**BOUGHT, "same": ["sku"]},
        {**LOOKED, "same": ["sku"]},
        {**READ, "opens": "machine"},
    )
    return {
        **waits(random),
        "trigger": random.sample(triggers, k=2),
        "exceptions": random.sample(exceptions, k=random.choice((1, 2))),
        "key": random.choice((None, "properties.sku")),
    }


def due(random: Random) -> Json:
    """What delays and drops messages at the due time: W1, W2, D1 to D5."""
    wall_clock = ({"in_days": 1, "at": "09:00"}, {"next": "tuesday", "at": "15:15", "zone": "company"})
    hours = (
        {"from": "09:00", "to": "17:00"},
        {"from": "09:00", "to": "17:00", "outside": "next"},
        {"from": "20:00", "to": "23:00", "zone": "company", "outside": "next"},
    )
    quiet = (
        "none",
        {"from": "18:00", "to": "08:30"},
        {"from": "11:00", "to": "17:00", "zone": "company", "then": "drop"},
    )
    return {
        **waits(random),
        "delay": random.choice((0, 10, 240, 600, *wall_clock)),
        "time_of_day": random.choice((None, None, None, *hours)),
        "quiet_hours": random.choice((None, None, None, *quiet)),
        "spread": random.choice((None, None, "10 minutes")),
        "ignore_frequency_caps": random.random() < 0.2,
        "start": random.choice((None, None, "2026-03-02T09:00:00Z")),
        "end": random.choice((None, None, "2026-03-03T12:00:00Z")),
        "messages": contents(random, sorted(CONTENTS), most=3),
    }


def audiences(random: Random) -> Json:
    """Who is reached: audiences, rechecks, consent, control groups, variants, templates that abort."""
    predicates = (
        {"attribute": "tier", "is": "gold"},
        {"attribute": "tier", "exists": False},
        {"did": {"event": "looked"}},
        {"not": {"did": {"event": "make_purchase", "within": "2 hours"}}},
        {"any": [{"interacted": {"interaction": "open_push", "campaign": "o"}}, {"attribute": "tier", "is": "gold"}]},
    )
    content: Json = random.choice(
        (
            {"messages": contents(random, ("push", "email", "sms"), most=2)},
            {"messages": contents(random, ("push", "email", "sms"), most=2)},
            {"messages": {"push": ABORTS}},
            {"variants": [{"name": "a", "messages": {"push": PUSH}}, {"name": "b", "messages": {"email": EMAIL}}]},
            {"variants": [{"name": "a", "messages": {"push": PUSH}}, {"name": "b", "messages": {"push": ABORTS}}]},
        )
    )
    return {
        **waits(random),
        "audience": random.choice(("everyone", "everyone", *predicates)),
        "recheck_audience": random.random() < 0.5,
        "control_group": random.choice((0, 0, 30, 100)),
        **content,
    }


def contents(random: Random, channels: Sequence[str], *, most: int) -> Json:
    """Content on some of these channels."""
    return {name: CONTENTS[name] for name in random.sample(channels, k=random.randint(1, most))}


def company(random: Random) -> Json:
    """A workspace with a zone, caps, quiet hours and staleness of its own, or some of them."""
    caps = [
        {
            "channel": random.choice(("any", "push", "email")),
            "at_most": random.choice((1, 1, 2)),
            "per": random.choice(("day", "week", {"days": 2})),
        }
        for _ in range(random.randint(0, 2))
    ]
    drawn = {
        "zone": random.choice(ZONES),
        "frequency_caps": caps,
        "quiet_hours": random.choice((None, {"from": "22:00", "to": "06:00"}, {"from": "09:00", "to": "11:00"})),
        "stale_after": random.choice((None, None, "1 hour", "3 hours")),
    }
    return {name: value for name, value in drawn.items() if value is not None}


def partly_reachable(random: Random) -> Json:
    """A user who may lack addresses, consent or a zone."""
    drawn = {
        "push_tokens": random.choice((["token"], ["token"], ["token"], [])),
        "time_zone": random.choice((None, *ZONES)),
        "email": random.choice((None, "ada@shop.example")),
        "phone": random.choice((None, "+4930123456")),
        "consent": random.choice((None, None, None, *CONSENTS)),
        "attributes": random.choice((None, {"tier": "gold"}, {"tier": "silver"})),
    }
    return {name: value for name, value in drawn.items() if value is not None}


THEMES: Mapping[str, Theme] = {
    "waits": Theme(waits),
    "instants": Theme(waits, late=(0, 0, 0, 5, 10, 60), minutes=90, step=5),
    "reports": Theme(
        reported,
        late=(0, 0, 0, 5, 10, 60),
        minutes=60,
        step=5,
        fractions=(0, 0, 0.3, 0.7),
        reports=(*REPORTS[3:5], *REPORTS[3:5], {"type": "click_email", "campaign": "o"}, REPORTS[6]),
        properties=(*({"sku": value} for value in MIXED), {}, {"robot": True}, {"robot": 1}, {"opens": "human"}),
    ),
    "due": Theme(due, company, partly_reachable, late=(0, 0, 0, 1, 90, 400, 1700), minutes=1800),
    "audiences": Theme(audiences, user=partly_reachable, changes=2),
    "orders": Theme(waits, lambda random: {"target": random.choice(("active", "ever_published"))}, orders=5),
    "chains": Theme(audiences, chains=True),
    "everything": Theme(
        lambda random: random.choice((due, audiences))(random),
        company,
        partly_reachable,
        minutes=1800,
        orders=3,
        changes=1,
        chains=True,
    ),
}


def draw_story(name: str, number: int) -> Story:
    """The story of that number of a theme, the same each time."""
    theme, random = THEMES[name], Random(f"{name} {number}")
    follow_ons = [follow_on(theme.follow_on(random), place) for place in range(random.randint(1, 2))]
    originals: list[Json] = [ORIGINAL, CARD]
    if theme.chains:
        follow_ons.append(chained(random, theme, follow_ons))
        originals.append(scheduled(random))
    definitions = [{"workspace": "default", **theme.workspace(random)}, *originals, *follow_ons]
    ids = [definition[kind] for definition in definitions for kind in ("campaign", "card") if kind in definition]
    users = [f"u{place}" for place in range(random.randint(1, 2))]
    lines = [{"at": at(0), "user": {"id": user, **theme.user(random)}} for user in users if random.random() < 0.95]
    lines.append({"at": at(0, 7), "publish": ids})
    for user in users:
        lines += reports(random, theme, user)
        lines += descriptions(random, theme, user)
    lines += orders(random, theme, len(follow_ons), ids)
    until = None if random.random() < 0.8 else MONDAY + timedelta(minutes=random.randint(1, theme.minutes), seconds=20)
    return Story(definitions, sorted(lines, key=lambda line: line["at"]), until)


def reports(random: Random, theme: Theme, user: str) -> list[Json]:
    """What one user does: reported at once or late, by one source or two, and some of it again."""
    lines: list[Json] = []
    for number in range(random.randint(3, 9)):
        minute = random.randrange(1, theme.minutes, theme.step)
        arrives, ends = minute + random.choice(theme.late), max(theme.fractions)
        report = {"id": f"{user}-{number}", "user": user, **random.choice(theme.reports)}
        fraction = random.choice(theme.fractions) if ends else 0
        report |= {"occurred_at": at(minute, fraction), "properties": properties(random, theme, report)}
        lines.append({"at": at(arrives, ends), "interaction": report})
        if random.random() < 0.1:
            lines.append({"at": at(arrives + random.randint(0, 300), ends), "interaction": report})
        if random.random() < 0.05:
            lines.append({"at": at(arrives, ends), "interaction": {**report, "id": f"{user}-{number}b"}})
    return lines


def properties(random: Random, theme: Theme, report: Json) -> Json:
    """A product or none; pushes and emails may say which message they are about, and who says so."""
    drawn: Json = random.choice(theme.properties)
    if report["type"] == "receive_push" and random.random() < 0.1:
        drawn = {**drawn, "dispatch": random.choice(("d1", "d2"))}
    if report["type"] == "open_email" and random.random() < 0.7:
        drawn = {**drawn, "message": random.choice(("m1", "m2")), "source": random.choice(("sdk", "provider"))}
    return drawn


def descriptions(random: Random, theme: Theme, user: str) -> list[Json]:
    """What else is said of a user later."""
    return [
        {"at": at(random.randint(1, theme.minutes), 5), "user": {"id": user, **partly_reachable(random)}}
        for _ in range(random.randint(0, theme.changes))
    ]


def orders(random: Random, theme: Theme, follow_ons: int, ids: Sequence[str]) -> list[Json]:
    """Stops, resumes, archivings and edits in turn; an edit is published a little later, or not at all."""
    minutes = sorted(random.sample(range(1, theme.minutes), k=random.randint(0, theme.orders)))
    lines: list[Json] = []
    for place, minute in enumerate(minutes):
        verb, second = (
            random.choice(("stop", "stop", "resume", "resume", "edit", "edit", "edit", "archive")),
            13 + 3 * place,
        )
        if verb != "edit":
            lines.append({"at": at(minute, second), verb: random.choice(ids)})
            continue
        edited = follow_on(theme.follow_on(random), random.randrange(follow_ons))
        lines.append({"at": at(minute, second), "apply": edited})
        if random.random() < 0.8:
            lines.append({"at": at(minute + random.randint(0, 60), second + 1), "publish": edited["campaign"]})
    return lines


def follow_on(parts: Json, place: int) -> Json:
    """The follow-on at that place; a delay in minutes gets a second of its own."""
    tops = ("audience", "control_group", "messages", "variants")
    top = {name: value for name, value in parts.items() if name in tops}
    rest = {name: value for name, value in parts.items() if name not in tops and value is not None}
    if isinstance(rest["delay"], int):
        rest["delay"] = {"after": f"{rest['delay'] * 60 + place} seconds"}
    if "variants" not in top:
        top.setdefault("messages", {"push": PUSH})
    return {"campaign": NAMES[place], "delivery": {"type": "action_based", **rest}, **top}


def chained(random: Random, theme: Theme, before: Sequence[Json]) -> Json:
    """A follow-on of what sending the first follow-on and the scheduled original makes."""
    listened = [
        {"interaction": "receive_push", "campaign": before[0]["campaign"]},
        {"interaction": "enroll_in_control_group", "campaign": before[0]["campaign"]},
        {"interaction": "receive_email", "campaign": "s"},
        {"interaction": "enroll_in_control_group", "campaign": "s"},
        {"interaction": "perform_conversion_event", "campaign": "s"},
        {"interaction": "perform_conversion_event", "campaign": "s", "conversion": "B"},
    ]
    trigger = random.sample(listened, k=random.randint(1, 3))
    return follow_on({**theme.follow_on(random), "trigger": trigger}, len(before))


def scheduled(random: Random) -> Json:
    """A scheduled original with conversions."""
    conversions = [{"event": "make_purchase", "within": "3 hours"}, {"event": "looked", "within": "1 day"}]
    return {
        "campaign": "s",
        "delivery": {"type": "scheduled", "send": random.choice(("at_publish", {"at": "2026-03-02 12:00"}))},
        "audience": random.choice(("everyone", {"attribute": "tier", "is": "gold"})),
        "control_group": random.choice((0, 50)),
        "conversions": random.choice(([], conversions)),
        "messages": {"email": EMAIL},
    }


def at(minutes: int, seconds: float = 0) -> str:
    """So many minutes and seconds after Monday, eight o'clock."""
    return format_instant(MONDAY + timedelta(minutes=minutes, seconds=seconds))


CONSENTS: Sequence[Json] = (
    {"push": "unsubscribed"},
    {"email": "unsubscribed"},
    {"push": "subscribed", "email": "subscribed"},
    {"push": {"state": "unsubscribed", "effective_at": at(20)}},
    {"push": {"state": "subscribed", "effective_at": at(40)}},
)
"""Bare states of a profile, and statements with their time, which may arrive in any order."""
