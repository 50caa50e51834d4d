"""The activity that sends: claim, send to the provider, record. At most one message per delivery (guarantee 4).

Concurrent sends of one process share transactions (group commit), for their claims and for their results.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime, timedelta

import structlog
from temporalio import activity
from temporalio.exceptions import ApplicationError, ApplicationErrorCategory

from activities.claims import Claim, ClaimResult, RateLimited, claim_messages
from activities.due_messages import Attempt
from activities.handing_over import hand_over
from activities.heartbeats import heartbeats
from activities.ledger import Ledger
from activities.results import AttemptEnd, NothingSent, ProviderResult, RecordResult, record_messages
from connector import names, tracing
from connector.channels.keeping import KEEP_NOTHING, TextKeeper
from connector.channels.protocol import Channel, TryLater
from connector.ingest.intake import Intake
from connector.metrics import FAULTS, PROVIDER_CALLS, SEND_ATTEMPTS, SEND_DELAY, SENDS, SENDS_TRIED_AGAIN
from connector.rules.catalogue.catalogue import Catalogue
from connector.rules.sending.deliveries import DeliveryState
from connector.rules.sending.launching import is_launched
from connector.rules.sending.rates import per_second
from connector.store.catalogue.cache import CatalogueCache
from connector.store.catalogue.current import with_current_catalogue
from connector.store.engine.database import Database, StoreUnavailable
from connector.store.engine.group_commit import GroupCommit
from connector.store.engine.transaction import Transaction
from connector.wire import SendOutcome, SendRequest

_log = structlog.get_logger("send")
_MAX_GROUP = 100
"""The most messages in one transaction: enough for all concurrent sends of a channel."""
_HEARTBEAT_AFTER_SECONDS = 10.0
"""Most attempts have ended by then; the heartbeats of a longer one, such as one that waits for the database, show that
its worker is alive."""


class Sender:
    """Sends the messages of one workspace.

    Args:
        channels: by name; a message for a channel that is missing waits and is tried again (`no_provider`, W6).
        rates: messages per second by channel, over all workers; a channel that is missing has no limit.
        link_hosts: hosts to which user data may lead a link; none: not checked, `apply` refuses such links.
        keeper: extracts the texts of messages that are kept.
        changed: called when a send may have begun follow-ups of other campaigns, so that the outbox looks at once.
    """

    def __init__(
        self,
        database: Database,
        cache: CatalogueCache,
        intake: Intake,
        channels: Mapping[str, Channel],
        workspace: str,
        *,
        rates: Mapping[str, float] = {},
        link_hosts: Collection[str] = (),
        keeper: TextKeeper = KEEP_NOTHING,
        changed: Callable[[], None] = lambda: None,
    ) -> None:
        self._database, self._cache, self._intake = database, cache, intake
        self._channels, self._workspace, self._changed = channels, workspace, changed
        self._link_hosts, self._keeper = tuple(link_hosts), keeper
        self._limits = {channel: per_second(rate) for channel, rate in rates.items()}
        limits = {"max_transactions": database.max_group_transactions, "max_size": _MAX_GROUP}
        self._claims: GroupCommit[Attempt, ClaimResult] = GroupCommit(self._claim_together, **limits)
        self._results: GroupCommit[AttemptEnd, RecordResult] = GroupCommit(self._record_together, **limits)
        self.ledger = Ledger()
        _show_zeros(channels)

    @activity.defn(name=names.SEND)
    async def send(self, request: SendRequest) -> SendOutcome:
        """Evaluate one message as of this attempt's start, and send it if no rule objects.

        The id of the workflow names the resend that the message is for.

        Raises:
            ApplicationError: the provider surely did not accept the message; the next attempt evaluates it again.
        """
        info = activity.info()
        _, resends = names.read_follow_up_id(info.workflow_id or "")
        with heartbeats(after_seconds=_HEARTBEAT_AFTER_SECONDS):
            try:
                return await self.attempt(request, now=info.started_time, attempt=info.attempt, resends=resends)
            except TryLater as fault:
                raise ApplicationError(
                    fault.code,
                    type=fault.code,
                    next_retry_delay=fault.retry_after,
                    category=ApplicationErrorCategory.BENIGN,
                ) from None

    async def attempt(
        self, request: SendRequest, *, now: datetime, attempt: int, has_place: bool = False, resends: int = 0
    ) -> SendOutcome:
        """Make one attempt at one message, for its own activity or for a launch: claim, send, record.

        If the attempt is cancelled, a message that was handed to its provider is finished and recorded all the same.

        Args:
            now: as of when the message is evaluated, UTC.
            has_place: the caller took a place for the message in the window of its channel's rate.
            resends: the number of the resend that the message is for; 0: it is sent for the first time.

        Raises:
            TryLater: the provider surely did not accept the message, and its claim is released; or the channel's rate
                is used up (`rate_limited`), and nothing was claimed.
            StoreUnavailable: nothing was claimed.
            ApplicationError: the channel broke; a later attempt records the message as unknown.
        """
        this = Attempt(request, now, attempt, has_place, resends)
        if earlier := self.ledger.find(this.delivery_id):
            await asyncio.wait([earlier])
            if earlier.cancelled() or earlier.exception():  # time has passed: the next attempt evaluates as of now
                raise TryLater("earlier_attempt_ended")
            return earlier.result()
        return await asyncio.shield(self.ledger.begin(this.delivery_id, self._make(this)))

    async def _make(self, attempt: Attempt) -> SendOutcome:
        with tracing.span("claim", facts=_facts_of(attempt)) as span:
            claim = await self._claim(attempt)
            span.add({"connector.outcome": claim.outcome if isinstance(claim, SendOutcome) else "claimed"})
        return claim if isinstance(claim, SendOutcome) else await self._deliver(attempt, claim)

    async def _claim(self, attempt: Attempt) -> Claim | SendOutcome:
        try:
            claimed = await self._claims.submit(attempt)
        except StoreUnavailable:
            # The commit may have succeeded although its answer was lost; the provider was not called.
            await self._record(NothingSent(attempt, "store_unavailable"))
            raise
        if isinstance(claimed, RateLimited):
            raise TryLater("rate_limited", retry_after=claimed.retry_after)
        if isinstance(claimed, SendOutcome) and claimed.outcome == "control":
            self._changed()
        return claimed

    async def _deliver(self, attempt: Attempt, claim: Claim) -> SendOutcome:
        """Hand a claimed message to its provider, and record the result; raises TryLater or ApplicationError."""
        began_at = time.monotonic()
        channel = claim.due.channel
        SEND_ATTEMPTS.labels(channel).inc()
        try:
            with PROVIDER_CALLS.labels(channel).time():
                result, text = await hand_over(claim, self._channel(channel), self._link_hosts, self._keeper)
        except TryLater as fault:
            _log.info("send_is_tried_again", delivery=claim.due.delivery_id, fault=fault.code, attempt=attempt.number)
            SENDS_TRIED_AGAIN.labels(channel, FAULTS.show(fault.code)).inc()
            took = timedelta(seconds=time.monotonic() - began_at)
            await self._record(NothingSent(attempt, fault.code, took, fault.retry_after))
            raise
        if result.fault is not None:
            why = {"reason": result.reason, "fault": result.fault, "detail": result.detail}
            _log.warning("not_sent", delivery=claim.due.delivery_id, **why)
        if result.state is DeliveryState.SENT and not is_launched(claim.due.follow_up):
            delay = (attempt.now - claim.due.follow_up.next_at).total_seconds() + time.monotonic() - began_at
            SEND_DELAY.labels(channel).observe(max(0.0, delay))
        outcome = await self._record(ProviderResult(attempt, claim, result, text))
        SENDS.labels(channel, result.state.value).inc()
        assert outcome is not None  # noqa: S101 - only a release has none
        return outcome

    async def _record(self, end: AttemptEnd) -> SendOutcome | None:
        """Record how an attempt ended, as soon as the database accepts it; return the outcome, None after a release."""
        with tracing.span("record", facts=_facts_of(end.attempt)):
            recorded = await self.ledger.until_recorded(lambda: self._results.submit(end))
        if recorded.changed:
            self._changed()
        return recorded.outcome

    async def _claim_together(self, attempts: Sequence[Attempt]) -> list[ClaimResult]:
        async def claim(tx: Transaction, catalogue: Catalogue) -> list[ClaimResult]:
            return await claim_messages(tx, catalogue, self._intake, attempts, self._limits)

        return await with_current_catalogue(self._database, self._cache, self._workspace, claim)

    async def _record_together(self, ends: Sequence[AttemptEnd]) -> list[RecordResult]:
        async def record(tx: Transaction, catalogue: Catalogue) -> list[RecordResult]:
            return await record_messages(tx, catalogue, self._intake, ends)

        return await with_current_catalogue(self._database, self._cache, self._workspace, record)

    def _channel(self, name: str) -> Channel:
        if name not in self._channels:
            raise TryLater("no_provider", f"no provider is set up for {name}")
        return self._channels[name]


def _show_zeros(channels: Collection[str]) -> None:
    """Give each channel its series before its first message: a rate does not see a series begin."""
    for channel in channels:
        SEND_ATTEMPTS.labels(channel)
        for state in (DeliveryState.SENT, DeliveryState.FAILED, DeliveryState.UNKNOWN, DeliveryState.DROPPED):
            SENDS.labels(channel, state.value)


def _facts_of(attempt: Attempt) -> dict[str, tracing.Fact]:
    request = attempt.request
    return {
        "connector.attempt": attempt.number,
        "connector.campaign": request.campaign,
        "connector.channel": request.channel,
        "connector.follow_up": request.follow_up_id,
    }
