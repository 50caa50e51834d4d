"""How long each table's rows are kept, and why: every table is listed here, and docs/operations.md shows the list.

`connector.store.cleanup.expired` has the conditions. A period names the setting that decides it.
"""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Table

from connector.store import tables as t

RETENTION = "`CONNECTOR_RETENTION` (90 days)"
LINKS = "`CONNECTOR_TRACKING_LIFETIME` (400 days), at least `CONNECTOR_RETENTION`"
ALWAYS = "for good"


@dataclass(frozen=True)
class Retention:
    """The rule of some tables: for how long their rows are kept, from when on, and why."""

    tables: tuple[Table, ...]
    kept: str
    why: str


RETENTIONS = (
    Retention(
        (t.interactions,),
        f"{RETENTION} after the arrival; longer what the audience of a published campaign looks back to",
        "late items are evaluated in order, and an id that is repeated is recognised (M6); an audience may ask for a "
        "purchase ever made",
    ),
    Retention(
        (t.decisions,), f"{RETENTION} after the decision", "`explain`, `status`; a replay takes refused triggers again"
    ),
    Retention(
        (t.follow_ups,),
        f"until they end; then {RETENTION} if nothing was sent, else {LINKS}",
        "`explain`, `status` and results; late items change ends; an end that Temporal does not know yet, and a launch "
        "that goes on, keep their rows",
    ),
    Retention(
        (t.deliveries,),
        "as long as their follow-up",
        "frequency caps look 31 days back; links, unsubscriptions and providers' events lead to a delivery",
    ),
    Retention(
        (t.receipts,),
        f"{ALWAYS}; of an archived campaign as long as its follow-ups",
        "`eligible_again: never` needs them for ever (T1)",
    ),
    Retention(
        (t.assignments,),
        f"{ALWAYS}; of an archived campaign as long as its follow-ups",
        "the first assignment to control group and variant holds (T4)",
    ),
    Retention(
        (t.reached_users,),
        f"{ALWAYS}; of an archived campaign as long as its follow-ups",
        "results stay right when the log with its opens and conversions is deleted; a row says which steps of the "
        "campaign a user reached and when the first, not how often, and erasing the user removes opens, clicks and "
        "conversions",
    ),
    Retention(
        (t.inbox, t.inbox_marks),
        f"until a message expires, and {RETENTION} after; marks of published cards {ALWAYS}",
        "an app may report late what was done with a message; a dismissed card stays dismissed",
    ),
    Retention(
        (t.message_texts,),
        "`CONNECTOR_KEEP_MESSAGES` (0 seconds: nothing is kept) after the message was sent, "
        "by the setting of that time",
        "pages show what a message said; it is personal data, so it is kept only if you say so",
    ),
    Retention((t.unmatched_reports,), f"{RETENTION} after the arrival", "they are matched again until they are stale"),
    Retention(
        (t.heeded_reports,),
        f"{RETENTION} after the arrival; Twilio's {ALWAYS}",
        "an event that comes again changes nothing; Twilio signs no time, so that an old one looks like a new one",
    ),
    Retention((t.audit,), ALWAYS, "entries can only be appended, also by this program"),
    Retention((t.users, t.user_aliases, t.user_joins), "until the user is erased", "profiles, consent and ids"),
    Retention(
        (t.consent_changes,),
        "until the user is erased",
        "whoever relies on consent must be able to show it: who stated it, when, and what held before",
    ),
    Retention((t.dead_addresses,), "until the user is erased", "no message may go to an address that bounced"),
    Retention((t.erased_users, t.erasure_secret), ALWAYS, "late reports must not bring an erased user back"),
    Retention(
        (t.catalogue, t.entries, t.revisions, t.publications, t.launches, t.orders),
        ALWAYS,
        "campaigns, their revisions and windows, and what the registry carried out; they grow with orders, not users",
    ),
    Retention((t.keys,), ALWAYS, "the audit trail names keys, also revoked ones"),
    Retention((t.follow_up_counts,), ALWAYS, "a row for each state and reason of a campaign; they name no user"),
    Retention((t.sequences, t.channel_windows, t.cleanups, t.compatibility), ALWAYS, "a row or two for each workspace"),
)
"""Every table of `connector.store.tables`; a test compares both, and this list with docs/operations.md."""


def retention_table() -> str:
    """Return the list as the rows of a table in Markdown."""
    lines = ["| tables | kept | why |", "|---|---|---|"]
    for one in RETENTIONS:
        lines.append(f"| {', '.join(f'`{table.name}`' for table in one.tables)} | {one.kept} | {one.why} |")
    return "\n".join(lines)
