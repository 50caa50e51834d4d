"""Lifecycle orders: what may be published, in which order, and with which warnings (P1 to P6, P9, P10)."""

import time
from collections.abc import Sequence
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any

import pytest

from connector.rules.catalogue.catalogue import Catalogue, Entry, Lifecycle, Revision, Window
from connector.rules.model.campaigns import parse_definition
from connector.rules.model.conditions import InteractionCondition
from connector.rules.model.errors import OrderRefused
from connector.rules.publishing.facts import MissedCount, PublishFacts, condition_key
from connector.rules.publishing.orders import (
    OrderPlan,
    check_publish,
    plan_archive,
    plan_publish,
    plan_resume,
    plan_stop,
    publish_questions,
)
from tests.support.builders import external, follow_on

NOW = datetime(2026, 3, 2, tzinfo=UTC)
EARLIER = datetime(2026, 2, 1, tzinfo=UTC)


def card(name: str) -> dict[str, Any]:
    return {"card": name, "title": "t", "body": "b"}


def missed(number: int, condition: dict[str, Any] | None = None, *, is_exact: bool = True) -> PublishFacts:
    """The facts that so many interactions of a trigger were missed, by default pushes of `o`."""
    parsed = InteractionCondition.model_validate(condition or on("o", "receive_push"))
    return PublishFacts(missed={condition_key(parsed): MissedCount(number, is_exact)})


def counted(before: Catalogue, *ids: str, **options: bool) -> list[tuple[str, str]]:
    """The target and type of each condition of which the missed interactions are counted."""
    questions = publish_questions(before, ids, **options)
    return [(one.target, one.interaction.value) for one in questions.missed.values()]


def on(target: str, interaction: str = "open_push") -> dict[str, str]:
    return {"interaction": interaction, "campaign": target}


def entry(state: Lifecycle, *definitions: dict[str, Any]) -> Entry:
    """Return a campaign or card of which all revisions but the last were published, or its only one."""
    parsed = [parse_definition(definition) for definition in definitions]
    effective = [None if state == "draft" or (n and n == len(parsed) - 1) else EARLIER for n in range(len(parsed))]
    revisions = [Revision(n + 1, d, at) for n, (d, at) in enumerate(zip(parsed, effective, strict=True))]  # type: ignore[arg-type]
    windows = () if state == "draft" else (Window(1, EARLIER, None if state == "active" else NOW),)
    return Entry(parsed[0].id, state, tuple(revisions), windows)  # type: ignore[union-attr]


def catalogue(*entries: Entry) -> Catalogue:
    return Catalogue().with_entries(entries, version=1)


def publish(catalogue: Catalogue, *ids: str, **options: Any) -> OrderPlan:
    return plan_publish(catalogue, ids, now=NOW, **options)


def refusal(catalogue: Catalogue, *ids: str, **options: Any) -> list[str]:
    with pytest.raises(OrderRefused) as refused:
        publish(catalogue, *ids, **options)
    return refused.value.problems


F = follow_on("f", on("o"))
LAUNCHED = follow_on("f", on("o", "receive_push"))


class TestStates:
    """P1, P9: draft → active ⇄ stopped → archived."""

    @pytest.mark.parametrize("state", ["draft", "stopped"])
    def test_publish_activates(self, state: Lifecycle) -> None:
        """P5: the newest revision goes live, whatever the state was."""
        assert publish(catalogue(entry(state, external("o"))), "o").sequence == ("o",)

    def test_archived_is_final(self) -> None:
        """P9: an archived campaign cannot be published, and that is the only problem."""
        assert refusal(catalogue(entry("archived", follow_on("f", on("gone")))), "f") == [
            "f is archived, which is final"
        ]

    @pytest.mark.parametrize(
        ("plan", "state", "changes"),
        [
            (plan_stop, "active", True), (plan_stop, "stopped", False),
            (plan_resume, "stopped", True), (plan_resume, "active", False),
            (plan_archive, "draft", True), (plan_archive, "active", True),
            (plan_archive, "stopped", True), (plan_archive, "archived", False),
        ],
    )  # fmt: skip
    def test_orders(self, plan: Any, state: Lifecycle, changes: bool) -> None:
        """P9: an order changes the state, or warns that nothing changed."""
        planned = plan(catalogue(entry(state, external("o"))), ["o"])
        assert planned.sequence == (("o",) if changes else ())
        assert planned.unchanged == (() if changes else ("o",))
        assert [note for note in planned.warnings if "already" in note] == (
            [] if changes else [f"o is {state} already; nothing changed"]
        )

    @pytest.mark.parametrize(
        ("plan", "state"),
        [(plan_stop, "draft"), (plan_stop, "archived"), (plan_resume, "draft"), (plan_resume, "archived")],
    )
    def test_refused_orders(self, plan: Any, state: Lifecycle) -> None:
        """P9: only active entries can be stopped and only stopped ones resumed; all or none."""
        with pytest.raises(OrderRefused, match=r"^o is (a draft|archived)"):
            plan(catalogue(entry(state, external("o")), entry("active", external("p"))), ["p", "o"])

    def test_unknown_and_no_ids(self) -> None:
        """Every id must be known, and there must be at least one."""
        before = catalogue(entry("draft", external("welcome")))
        assert refusal(before, "welcom", "zzz") == [
            "welcom is not known; did you mean welcome?",
            "zzz is not known; apply its definition first",
        ]
        assert refusal(before) == ["name at least one campaign or card"]

    def test_nothing_new(self) -> None:
        """P5: an active entry without a newer revision is unchanged, with a warning."""
        before = catalogue(entry("active", external("o")), entry("active", card("c"), card("c") | {"title": "new"}))
        planned = publish(before, "o", "c")
        assert (planned.sequence, planned.unchanged) == (("c",), ("o",))
        assert planned.warnings == ("o is active and has nothing new; nothing changed",)


class TestTargets:
    """P3: the targets of a follow-on must exist."""

    @pytest.mark.parametrize(
        ("target", "problem"),
        [
            (
                None,
                "f: delivery.trigger[0].campaign: its trigger names the campaign o, which does not exist; apply it",
            ),
            (
                entry("archived", external("o")),
                "f: delivery.trigger[0].campaign: its trigger names the campaign o, which is archived",
            ),
            (
                entry("draft", card("o")),
                "f: delivery.trigger[0].campaign: its trigger names the campaign o, which is a card",
            ),
        ],
    )
    def test_refused(self, target: Entry | None, problem: str) -> None:
        """P3, M5: an unknown, an archived and a wrongly named target."""
        before = catalogue(entry("draft", F), *([target] if target else []))
        assert [actual[: len(problem)] for actual in refusal(before, "f")] == [problem]

    def test_a_draft_target_is_recommended(self) -> None:
        """P3: the follow-on is published first, without a warning."""
        assert publish(catalogue(entry("draft", F), entry("draft", external("o"))), "f") == OrderPlan(("f",))

    def test_targets_of_exceptions_may_be_archived(self) -> None:
        """P3: an exception may name an archived campaign, not an unknown one."""
        excepted = follow_on("f", {"event": "e"}, delay={"after": "1 day"}, exceptions=[on("x")])
        assert publish(catalogue(entry("draft", excepted), entry("archived", external("x"))), "f").sequence == ("f",)
        assert (
            "its exception names the campaign x, which does not exist"
            in refusal(catalogue(entry("draft", excepted)), "f")[0]
        )

    def test_the_newest_revision_is_checked(self) -> None:
        """P10: the revision that becomes live is checked, not the live one."""
        edited = entry("active", F, follow_on("f", on("unknown")))
        assert "unknown" in refusal(catalogue(edited, entry("active", external("o"))), "f")[0]


class TestOrder:
    """P3, P5: follow-ons before what they listen to."""

    LAUNCH = ("enroll_in_control_group", "receive_email", "receive_sms", "receive_push", "receive_webhook")

    @pytest.mark.parametrize("kind", LAUNCH)
    def test_a_launch_that_a_draft_would_miss(self, kind: str) -> None:
        """P3: refused, with the names and both ways out."""
        before = catalogue(entry("draft", follow_on("f", on("o", kind))), entry("draft", external("o")))
        (problem,) = refusal(before, "o")
        assert all(word in problem for word in ("publishing o", "follow-on f", kind, "publish f o", "--allow-missed"))
        assert publish(before, "o", allow_missed=True).sequence == ("o",)
        assert publish(before, "o", "f").sequence == ("f", "o")

    def test_other_interactions_are_warned_of(self) -> None:
        """P3: an open happens after the launch, so a warning is enough."""
        planned = publish(catalogue(entry("draft", F), entry("draft", external("o"))), "o")
        assert planned.sequence == ("o",)
        assert "draft follow-on f listens to o (open_push)" in planned.warnings[0]

    @pytest.mark.parametrize("state", ["active", "stopped", "archived"])
    def test_only_drafts_bind_the_order(self, state: Lifecycle) -> None:
        """P3: a follow-on that is active, stopped or archived misses nothing."""
        before = catalogue(entry(state, LAUNCHED), entry("draft", external("o")))
        assert publish(before, "o") == OrderPlan(("o",))

    def test_exceptions_do_not_bind_the_order(self) -> None:
        """P3: a draft whose exception names the original does not block its publication."""
        draft = follow_on("f", {"event": "e"}, delay={"after": "1 day"}, exceptions=[on("o", "receive_push")])
        assert publish(catalogue(entry("draft", draft), entry("draft", external("o"))), "o") == OrderPlan(("o",))

    @pytest.mark.parametrize("ids", [("o", "f", "g"), ("g", "f", "o"), ("f", "o", "g", "f")])
    def test_publications_are_sorted(self, ids: Sequence[str]) -> None:
        """P5: g listens to f listens to o, in whichever order they are named."""
        before = catalogue(
            entry("draft", external("o")), entry("draft", LAUNCHED), entry("draft", follow_on("g", on("f")))
        )
        assert publish(before, *ids).sequence == ("g", "f", "o")

    def test_all_or_none(self) -> None:
        """P5: one problem refuses the whole order, and every problem is reported."""
        before = catalogue(
            entry("draft", external("o")), entry("draft", F), entry("draft", follow_on("g", on("nobody")))
        )
        assert len(refusal(before, "f", "g", "o")) == 1
        before = before.with_entries([entry("archived", external("o"))], version=2)
        assert len(refusal(before, "f", "g", "o")) == 3

    def test_check_reports_problems_and_warnings(self) -> None:
        """P3, P4, P5: `check_publish` returns the sequence, problems and warnings of a refused order for `plan`."""
        before = catalogue(
            entry("draft", LAUNCHED),
            entry("active", external("o")),
            entry("draft", follow_on("g", on("nobody"))),
        )
        plan, problems = check_publish(before, ["f", "g"], now=NOW, facts=missed(1))
        assert ["nobody" in problem for problem in problems] == [True]
        assert "1 receive_push has been missed" in plan.warnings[0]
        assert sorted(plan.sequence) == ["f", "g"]

    def test_with_follow_ons(self) -> None:
        """P5: transitively the drafts that listen, but not the stopped follow-ons."""
        before = catalogue(
            entry("draft", external("o")),
            entry("draft", LAUNCHED),
            entry("draft", follow_on("g", on("f"))),
            entry("stopped", follow_on("s", on("o"))),
            entry("draft", follow_on("stranger", on("p"))),
            entry("draft", external("p")),
        )
        assert publish(before, "o", with_follow_ons=True).sequence == ("g", "f", "o")


class TestMissed:
    """P4: publishing a follow-on of an active target."""

    def test_count(self) -> None:
        """P4, case 2: the warning counts the launch-time interactions that were missed."""
        before = catalogue(entry("draft", LAUNCHED), entry("active", external("o")))
        assert counted(before, "f") == [("o", "receive_push")]
        planned = publish(before, "f", facts=missed(17))
        assert planned.sequence == ("f",)
        assert "17 receive_push have been missed" in planned.warnings[0]

    def test_every_interaction_is_counted(self) -> None:
        """P8: opens and clicks too, at least so many if there are too many to count."""
        before = catalogue(entry("draft", F), entry("active", external("o")))
        assert counted(before, "f", "unheard-of") == [("o", "open_push")]
        facts = missed(20_000, on("o"), is_exact=False)
        assert publish(before, "f", facts=facts).warnings == (
            "f: delivery.trigger[0]: o is active already: what has happened does not start f; at least 20000 open_push "
            "have been missed",
        )
        assert "its open_push until now has been missed" in publish(before, "f").warnings[0]

    def test_the_whole_condition_is_counted(self) -> None:
        """P8: `where` and refinements are part of what is counted; a narrower condition than before misses anew."""
        gold = on("o", "receive_push") | {"where": {"tier": "gold"}}
        before = catalogue(entry("draft", follow_on("f", gold)), entry("active", external("o")))
        assert "its receive_push until now" in publish(before, "f", facts=missed(3)).warnings[0]
        assert "3 receive_push have" in publish(before, "f", facts=missed(3, gold)).warnings[0]

    def test_missed_interactions_of_added_follow_ons(self) -> None:
        """P4, P5: follow-ons that --with-follow-ons adds may have missed interactions."""
        before = catalogue(entry("draft", LAUNCHED), entry("active", external("o")))
        assert counted(before, "o") == []
        assert counted(before, "o", with_follow_ons=True) == [("o", "receive_push")]

    def test_a_new_revision_misses_only_new_targets(self) -> None:
        """P10: P2 counts from the first publication."""
        edited = follow_on("f", on("o"), on("p", "receive_push"))
        before = catalogue(entry("active", F, edited), entry("active", external("o")), entry("active", external("p")))
        assert [note.split()[2] for note in publish(before, "f").warnings] == ["p"]


class TestCycles:
    """P6: no cycle may send to one user for ever."""

    @staticmethod
    def again(name: str, target: str, rule: Any = "always") -> dict[str, Any]:
        return follow_on(name, on(target), eligible_again=rule)

    @pytest.mark.parametrize("rule", ["always", {"after": "1 day"}])
    def test_refused(self, rule: Any) -> None:
        """P6: a cycle of two and of one are refused, and the problem names the cycle."""
        two = catalogue(entry("draft", self.again("f", "g", rule)), entry("draft", self.again("g", "f", "never")))
        assert refusal(two, "f", "g")[0].startswith("f: delivery.trigger[0].campaign: f → g → f is a cycle")
        one = refusal(catalogue(entry("draft", self.again("f", "f", rule))), "f")[0]
        assert one.startswith("f: delivery.trigger[0].campaign: f → f is a cycle")

    def test_allowed_if_all_are_received_once(self) -> None:
        """P6: a cycle is allowed if each campaign on it has eligible_again: never."""
        before = catalogue(entry("draft", self.again("f", "g", "never")), entry("draft", self.again("g", "f", "never")))
        assert publish(before, "f", "g").sequence == ("f", "g")

    def test_follow_ons_outside_the_cycle_do_not_count(self) -> None:
        """P6: a follow-on that leads into an allowed cycle is not on it."""
        before = catalogue(
            entry("draft", self.again("tail", "f")),
            entry("draft", self.again("f", "g", "never")),
            entry("draft", self.again("g", "f", "never")),
        )
        assert set(publish(before, "tail", "f", "g").sequence) == {"tail", "f", "g"}

    def test_cycle_with_a_live_follow_on(self) -> None:
        """P6: a draft closes a cycle with a live follow-on; a draft that stays a draft does not."""
        live = entry("active", self.again("g", "f"))
        assert "cycle" in refusal(catalogue(entry("draft", self.again("f", "g")), live), "f")[0]
        other_draft = entry("draft", self.again("g", "f"))
        assert publish(catalogue(entry("draft", self.again("f", "g")), other_draft), "f").sequence == ("f",)

    def test_a_revision_that_breaks_a_cycle(self) -> None:
        """P6, P10: the revision that becomes live counts."""
        before = catalogue(
            entry("active", self.again("f", "g"), follow_on("f", {"event": "e"})), entry("active", self.again("g", "f"))
        )
        assert publish(before, "f").sequence == ("f",)

    def test_exceptions_make_no_cycle(self) -> None:
        """P6: only triggers make cycles."""
        without_trigger = follow_on(
            "g", {"event": "e"}, delay={"after": "1 day"}, exceptions=[on("f")], eligible_again="always"
        )
        before = catalogue(entry("draft", self.again("f", "g")), entry("draft", without_trigger))
        assert publish(before, "f", "g").sequence == ("f", "g")

    def test_resume_closes_no_cycle(self) -> None:
        """P6: a resume that would close a cycle is refused."""
        before = catalogue(entry("stopped", self.again("f", "g")), entry("active", self.again("g", "f")))
        with pytest.raises(OrderRefused, match="cycle"):
            plan_resume(before, ["f"])

    def test_ten_thousand(self) -> None:
        """A chain of 10,000 follow-ons is sorted and a cycle of as many is found, both in a few seconds."""
        names = [f"c{number:05}" for number in range(10_000)]
        chain = [entry("draft", self.again(a, b)) for a, b in pairwise(names)]
        last = entry("draft", self.again(names[-1], "o", "never"))
        before = catalogue(entry("draft", external("o")), *chain, last)
        began = time.process_time()
        assert publish(before, *reversed(names)).sequence == tuple(names)
        cyclic = before.with_entries([entry("draft", self.again(names[-1], names[0]))], version=2)
        (problem,) = refusal(cyclic, *names)
        assert "… 9981 more …" in problem
        assert time.process_time() - began < 20
