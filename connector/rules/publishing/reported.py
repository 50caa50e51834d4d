"""The checks that compare a definition with the reports, users and providers that the store knows (P8).

Event names are exact. Properties, attributes and the reach may come from a sample; the warning then names its size.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Set

from connector.rules.model.conditions import Condition, EventCondition
from connector.rules.model.errors import Fault
from connector.rules.model.nearest import suggestion
from connector.rules.model.predicates import AttributePredicate
from connector.rules.model.users import User
from connector.rules.publishing.audiences import walk
from connector.rules.publishing.checks import Publication
from connector.rules.publishing.facts import (
    Conditions,
    Properties,
    Reach,
    all_conditions,
    exception_conditions,
    trigger_conditions,
)
from connector.rules.targeting.matching import logged_types

PROFILE_FIELDS: Set[str] = frozenset({*User.model_fields} - {"attributes", "consent", "push_tokens"})
"""The fields of a profile, which audiences and templates see like attributes (A1)."""
_TEMPLATE_FIELDS = PROFILE_FIELDS | {"consent"}
_EVENT_FIELDS = frozenset({"name", "properties"})


def event_never_reported(one: Publication) -> Iterator[Fault]:
    """Warn of an event name that was never reported within the retention (P8)."""
    events = one.facts.events
    if events is None:
        return
    for key, condition in all_conditions(one.campaign):
        if isinstance(condition, EventCondition) and condition.event not in events:
            advice = suggestion(condition.event, events, "check how your services spell it")
            yield Fault(f"{key}.event", f"no event {condition.event} was reported within the retention; {advice}")


def property_never_reported(one: Publication) -> Iterator[Fault]:
    """Warn of a property that no report of its event or interaction had (P8)."""
    triggers = trigger_conditions(one.campaign)
    for key, condition in all_conditions(one.campaign):
        yield from _missing_properties(one, f"{key}.where", [(key, condition)], condition.where)
    for key, condition in exception_conditions(one.campaign):
        yield from _missing_properties(one, f"{key}.same", [(key, condition)], condition.same)
        yield from _missing_properties(one, f"{key}.same", triggers, condition.same)
    if one.follow_on is not None and one.follow_on.key is not None:
        name = one.follow_on.key.removeprefix("properties.")
        yield from _missing_properties(one, "delivery.key", triggers, [name])


def attribute_that_nobody_has(one: Publication) -> Iterator[Fault]:
    """Warn of an attribute in the audience that no user has (P8)."""
    profiles = one.facts.profiles
    if profiles is None:
        return
    known = profiles.attributes | PROFILE_FIELDS
    for key, predicate in walk(one.campaign.audience):
        if isinstance(predicate, AttributePredicate) and predicate.attribute not in known:
            advice = suggestion(predicate.attribute, known, "check how your services spell it")
            yield Fault(f"{key}.attribute", f"{_no_user(one)} has the attribute {predicate.attribute}; {advice}")


def variable_that_nobody_has(one: Publication) -> Iterator[Fault]:
    """Warn of a variable of a template that no user, and no report of the trigger, has (P8)."""
    triggers = trigger_conditions(one.campaign)
    for key, path in dict.fromkeys(one.facts.variables.get(one.campaign.id, ())):
        match path:
            case ("user", "attributes", name, *_) if one.facts.profiles is not None:
                yield from _missing_attribute(one, key, f"user.attributes.{name}", name, one.facts.profiles.attributes)
            case ("user", name, *_) if one.facts.profiles is not None and name != "attributes":
                known = one.facts.profiles.attributes | _TEMPLATE_FIELDS
                yield from _missing_attribute(one, key, f"user.{name}", name, known)
            case ("event" | "trigger", "properties", name, *_):
                yield from _missing_properties(one, key, triggers, [name])
            case ("event", name, *_) if name not in _EVENT_FIELDS:
                yield from _missing_properties(one, key, triggers, [name])


def _missing_attribute(one: Publication, key: str, shown: str, name: str, known: Collection[str]) -> Iterator[Fault]:
    if name not in known:
        advice = suggestion(name, known, "check how your services spell it")
        yield Fault(key, f"{_no_user(one)} has `{shown}`; {advice}")


def channel_without_a_provider(one: Publication) -> Iterator[Fault]:
    """Warn of a channel that has no provider: its messages wait for one, and become stale (P8, W6)."""
    if one.facts.providers is None:
        return
    for key, content in one.campaign.keyed_contents:
        for channel in content.channels:
            if channel not in one.facts.providers and one.campaign.delivery.type != "external":
                yield Fault(
                    f"{key}.{channel}",
                    f"{channel} has no provider in the settings here: unless the workers have one, its messages wait "
                    "and become stale; set one up (docs/channels.md), or remove the message",
                )


def how_many_can_be_reached(one: Publication) -> Iterator[Fault]:
    """State how many users of the audience can be reached now, by channel (P8)."""
    reach, profiles = one.facts.reach.get(one.campaign.id), one.facts.profiles
    if reach is None or profiles is None:
        return
    among = "" if profiles.is_all else f" of {profiles.looked_at:,} users that were looked at"
    yield Fault("audience", f"{_in_words(reach)}{among}")


def _in_words(reach: Reach) -> str:
    if not reach.in_audience:
        return "no user is in its audience now"
    channels = ", ".join(f"{channel} {count:,}" for channel, count in reach.by_channel.items())
    users = "1 user" if reach.in_audience == 1 else f"{reach.in_audience:,} users"
    return f"{reach.reachable:,} of the {users} in its audience can be reached now: {channels}"


def _missing_properties(one: Publication, key: str, of: Conditions, names: Iterable[str]) -> Iterator[Fault]:
    """Yield a fault for each property that is missing in all reports that the conditions may match.

    Yields nothing if one of the conditions has no reports: the properties of its future reports are not known.
    """
    by_condition = [_samples(one, condition) for _, condition in of]
    if not by_condition or not all(by_condition):
        return
    samples = [sample for found in by_condition for sample in found]
    known = frozenset().union(*(sample.names for sample in samples))
    looked_at = sum(sample.looked_at for sample in samples)
    none = "no report" if all(one.is_all for one in samples) else f"none of {looked_at:,} reports that were looked at"
    topics = " or ".join(dict.fromkeys(_topic(condition) for _, condition in of))
    for name in names:
        if name not in known:
            advice = suggestion(name, known, "check how your services spell it")
            at = f"{key}.{name}" if key.endswith(".where") else key
            yield Fault(at, f"{none} of {topics} has the property {name}; {advice}")


def _samples(one: Publication, condition: Condition) -> list[Properties]:
    found = [one.facts.properties[type] for type in logged_types(condition) if type in one.facts.properties]
    return [sample for sample in found if sample.looked_at]


def _topic(condition: Condition) -> str:
    if isinstance(condition, EventCondition):
        return condition.event
    return f"{condition.interaction} of {condition.target}"


def _no_user(one: Publication) -> str:
    profiles = one.facts.profiles
    if profiles is None or profiles.is_all:
        return "no user"
    return f"none of {profiles.looked_at:,} users that were looked at"
