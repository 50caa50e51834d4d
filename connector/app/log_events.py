"""The events that the program logs: one name for each thing that happens. docs/logs.md is written from this list.

`python -m connector.app.log_events > docs/logs.md` writes the page; a test compares it, and this list with the code.
"""

from __future__ import annotations

from typing import NamedTuple


class LogEvent(NamedTuple):
    """An event of the log.

    Args:
        level: critical and error: a person must act; warning: something is degraded, and it ends by itself or needs a
            person soon; info: the life of the process and what it does.
        meaning: what happened and what to do, as a sentence of Markdown.
    """

    level: str
    meaning: str


LOG_EVENTS = {
    "activity_broke": LogEvent("error", "A defect in an activity; Temporal repeats it. Report it with the line."),
    "api_listens": LogEvent("info", "The API accepts connections on `host` and `port`."),
    "api_without_database": LogEvent("warning", "The API started without the database; callers get 503 meanwhile."),
    "batch_refused": LogEvent(
        "warning", "A workflow of yours reported something that is no batch of interactions (`code`)."
    ),
    "card_not_rendered": LogEvent("warning", "The template of a card fails at `field` and `line`; correct the card."),
    "channel_broke": LogEvent("error", "A defect in a channel; the message becomes `send_unknown`. Report it."),
    "check_failed": LogEvent(
        "warning", "A `check` of the installation fails; `note` says what to do, `detail` what was answered."
    ),
    "check_passed": LogEvent("info", "A `check` is ok again, after `check_failed`."),
    "checks_broke": LogEvent("error", "A defect in the checks of the installation. Report it with the line."),
    "count_folding_broke": LogEvent(
        "error", "A defect in adding up the counts of follow-ups, which stay exact. Report it with the line."
    ),
    "cleanup_broke": LogEvent("error", "A defect in the cleanup; messages go on. Report it with the line."),
    "cleanup_done": LogEvent("info", "What was past its use was deleted: `rows` by table, and partitions."),
    "cleanup_failed": LogEvent("warning", "The database is away; the cleanup goes on within ten minutes."),
    "cleanup_goes_on": LogEvent("info", "A long cleanup has deleted this much so far."),
    "cleanup_incomplete": LogEvent(
        "warning", "The cleanup could not do everything: `faults` says what, and the way out."
    ),
    "codec_server_listens": LogEvent("info", "The codec server accepts connections on `host` and `port`."),
    "collector_reached": LogEvent("info", "Spans reach the collector again, after `lost_spans` were lost."),
    "collector_unreachable": LogEvent("warning", "The collector of CONNECTOR_OTLP_ENDPOINT is away; spans are lost."),
    "command_crashed": LogEvent("critical", "A defect ended the command or process. Report it with the line."),
    "command_failed": LogEvent("error", "The command was refused or failed; `text` says why and what would be right."),
    "command_warning": LogEvent("warning", "The command did its work; `text` says what to look at."),
    "console_broke": LogEvent("error", "A defect in the console; pages go on. Report it with the line."),
    "console_listens": LogEvent("info", "The console accepts connections on `host` and `port`."),
    "console_session_ended": LogEvent("info", "The sign-in of a `key` to the console ended; `why` says what ended it."),
    "console_sign_in_refused": LogEvent("warning", "A `client` was refused at the console's sign-in (`code`)."),
    "console_signed_in": LogEvent("info", "Somebody signed in to the console with `key`, from `client`."),
    "console_signed_out": LogEvent("info", "Somebody signed out of the console."),
    "console_without_database": LogEvent(
        "warning", "The console started without the database; pages say so meanwhile."
    ),
    "database_available": LogEvent("info", "The database can be used again, after the outage that `after` names."),
    "database_unavailable": LogEvent(
        "warning", "The database cannot be used; `reason` and `note` say why and what to do."
    ),
    "erasure_log_not_truncated": LogEvent("warning", "SQLite's log keeps pages of an erased user until readers end."),
    "finalizer_failed": LogEvent("error", "A defect in code that frees an object. Report it with the line."),
    "follow_up_restored": LogEvent(
        "warning",
        "A follow-up was open in the store and its workflow had completed, because the store was restored from a "
        "backup; it ended as its workflow did.",
    ),
    "keys_unreadable": LogEvent("warning", "The API keys cannot be read from the database; those read last hold."),
    "launch_call_failed": LogEvent("warning", "Temporal did not answer a call for a launch; the outbox repeats it."),
    "launch_lost": LogEvent(
        "warning", "Temporal does not know the workflow of a launch, because it was restored; it starts again."
    ),
    "launched": LogEvent("info", "All messages of a launch have been handled."),
    "library_message": LogEvent("", "A library says `text`; `logger` names it. `temporalio.core` is the SDK's core."),
    "message": LogEvent("info", "`connector dev` shows a message instead of sending it. Only there, with addresses."),
    "metrics_not_read": LogEvent(
        "warning", "The database refused the queries of `/metrics`, such as during an upgrade."
    ),
    "not_sent": LogEvent("warning", "A provider refused messages for good (`fault`); `explain` shows each of them."),
    "note": LogEvent("info", "A command printed this note beside its result."),
    "outbox_call_failed": LogEvent("warning", "Temporal refused calls of the outbox; it repeats them."),
    "outbox_continues": LogEvent("info", "Temporal starts workflows again, after `outbox_rests`."),
    "outbox_failed": LogEvent("warning", "Temporal or the database is away; follow-ups start when it is back."),
    "outbox_rests": LogEvent(
        "error",
        "Temporal refuses every start of a follow-up (`status`, `reason`), and they wait. `connector doctor` says what "
        "to do; no process need be restarted.",
    ),
    "process_crashed": LogEvent("critical", "A defect ended the process. Report it with the line."),
    "process_ended": LogEvent("warning", "A process of `connector dev` ended, and is started again."),
    "provider_event_unreadable": LogEvent("warning", "A provider reports an event that cannot be read."),
    "provider_events_ingested": LogEvent("info", "Events of a provider were ingested."),
    "python_warning": LogEvent("warning", "Python or a library warns about code at `at`. Nothing to do at night."),
    "reconciliation_failed": LogEvent("warning", "Temporal or the database is away; the next run covers the gap."),
    "reported_exception_is_dropped": LogEvent(
        "warning", "A signal `exception` is not one JSON object, or is larger than 2 MB; it is ignored."
    ),
    "reported_exception_is_invalid": LogEvent("warning", "A signal `exception` has a wrong field (`place`)."),
    "reported_exception_is_not_ingested": LogEvent(
        "warning", "The activity that ingests a signal `exception` failed for good; the signal is ignored."
    ),
    "reported_exception_names_a_user": LogEvent("warning", "A signal `exception` has a `user`, which is ignored."),
    "request": LogEvent("info", "A request was answered: `route`, `status`, `milliseconds`, the id of its `key`."),
    "request_failed": LogEvent("error", "A defect in the API; the caller got 500. Report it with the line."),
    "result_not_recorded": LogEvent(
        "error", "A sent message's result cannot be stored; the worker repeats that for some minutes."
    ),
    "results_forgotten": LogEvent(
        "error", "The worker ended without the database; sent messages become `send_unknown`."
    ),
    "results_recorded": LogEvent("info", "The results that waited for the database have been recorded."),
    "results_wait_for_database": LogEvent("warning", "Sent messages wait for the database; keep the worker running."),
    "sdk_metrics_unavailable": LogEvent("warning", "The metrics of Temporal's SDK are missing on `/metrics`."),
    "segment_messages_rejected": LogEvent("warning", "Segment's messages do not fit; the source shows the faults."),
    "send_is_tried_again": LogEvent(
        "info", "A provider did not accept a message for now (`fault`); it is tried again."
    ),
    "sign_ins_throttled": LogEvent("warning", "Many wrong keys come from `client`: a wrong setting, or an attack."),
    "subscription_confirmed": LogEvent("info", "Amazon SNS delivers this topic's events from now on."),
    "subscription_ended": LogEvent("warning", "Amazon SNS delivers this topic's events no more; subscribe again."),
    "task_failed": LogEvent("error", "A defect in a task of the process, which goes on. Report it with the line."),
    "temporal_awaited": LogEvent("info", "Temporal does not answer yet; the process waits."),
    "temporal_reached": LogEvent("info", "Temporal answers after a wait."),
    "temporal_unreachable": LogEvent("warning", "Temporal does not answer at `address` for half a minute: `reason`."),
    "temporal_variable_unknown": LogEvent(
        "warning", "A variable nearly has the name of one that Temporal's SDK reads; `note` names both."
    ),
    "text_not_kept": LogEvent(
        "warning", "A defect: the text of a message could not be extracted, so it is not kept. Report it."
    ),
    "texts_not_kept": LogEvent(
        "warning", "The database refused the texts of `number` messages, whose results are recorded all the same."
    ),
    "thread_failed": LogEvent("error", "A defect in a thread of the process, which goes on. Report it with the line."),
    "visits_broke": LogEvent("error", "A defect stops opens and clicks from being stored; they wait. Report it."),
    "visits_lost": LogEvent("error", "Opens and clicks were lost, because the database was away for too long."),
    "visits_wait": LogEvent("warning", "Opens and clicks wait for the database."),
    "webhook_signature_invalid": LogEvent(
        "warning", "A webhook's signature is wrong: a wrong secret, or a forged request."
    ),
    "worker_crashed": LogEvent("critical", "A defect ended the worker. Report it with the line."),
    "worker_port_listens": LogEvent("info", "The worker's own port accepts connections on `host` and `port`."),
    "worker_refused": LogEvent("error", "The worker cannot start; `text` says why and what would be right."),
    "worker_started": LogEvent("info", "The worker polls, for these `channels`; `version` is the program's."),
    "worker_stopped": LogEvent("info", "The worker has completed what it had begun, and ends."),
    "worker_without_database": LogEvent("warning", "The worker started without the database; messages wait for it."),
    "workflow_closed": LogEvent("info", "Somebody closed a workflow in Temporal; its rows have been ended."),
    "workflow_failed": LogEvent("warning", "A workflow failed or timed out in Temporal; its rows have been ended."),
    "workflows_lost": LogEvent(
        "warning",
        "Temporal does not know the workflows of open follow-ups (`follow_ups`), because it was restored from a "
        "backup; they start again.",
    ),
}
"""By name. `library_message` has the level of the library's record."""

_HEAD = """\
# Logs

This page shows what each line of the logs means, and on which of them to alert.

Worker, API and commands log to standard error. With `CONNECTOR_LOG_FORMAT=json`, and wherever standard error of a
worker or an API is no terminal, every line is one JSON object, also those of libraries, of Temporal's SDK and its core,
of Python's warnings and of crashes. Other commands write their notes and errors as text unless the setting is `json`.

```json
{"event": "temporal_unreachable", "level": "warning", "logger": "temporal", "address": "temporal:7233",
 "namespace": "default", "reason": "nothing listens there", "seconds": 32, "timestamp": "2026-03-02T12:00:32.114Z"}
```

| level | meaning | alert |
|---|---|---|
| `critical`, `error` | a person must act | at once |
| `warning` | something is degraded: it ends by itself, or needs a person soon | if it is repeated |
| `info` | the life of the process, and what it does | never |

A fault has one line per kind in five minutes, not one per row: `left_out` says how many were not logged since the last.

With [tracing](tracing.md), `trace_id` leads from a line to its trace.

Logs have no personal data: users appear by `user_key`, and an error by its type and its place in the code (`error`,
`cause`, `at`), because its text may quote values; `pretty` shows the text, for development. `client` of
`sign_ins_throttled` is the address from which wrong keys come.

| event | level | meaning |
|---|---|---|
"""


def render_page() -> str:
    """Return the page docs/logs.md."""
    rows = (f"| `{name}` | {event.level or 'any'} | {event.meaning} |\n" for name, event in sorted(LOG_EVENTS.items()))
    return _HEAD + "".join(rows)


if __name__ == "__main__":
    print(render_page(), end="")
