"""Which workers poll the task queues of a workspace, and what to do if none does or Temporal gives them no tasks."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

from connector.health.facts import NO_PROVIDER, Poller, TaskQueueFacts, TemporalFacts

POLL_SECONDS = 60.0
"""A worker polls if its last poll is not older than this. Temporal answers a poll after a minute at the latest, and the
next follows at once."""


def describe_unpolled(temporal: TemporalFacts, queues: Sequence[TaskQueueFacts]) -> str | None:
    """Return which queues no worker polls and the way out, in one sentence; None: each has one that gets tasks."""
    idle = [queue for queue in queues if not is_polled(queue, temporal.builds)]
    if not idle:
        return None
    if builds := sorted({poller.build_id or "" for queue in idle for poller in queue.pollers if _is_recent(poller)}):
        return _describe_routing(temporal, builds)
    ages = [poller.seconds_ago for queue in idle for poller in queue.pollers]
    if ages or len(idle) == len(queues):  # Temporal lists for minutes who has polled: workers stopped, or none ran
        last = f"the last poll was {min(ages):.0f} s ago" if ages else "none has polled lately"
        return (
            f"no worker polls ({last}): start `connector worker` with the same TEMPORAL_ADDRESS, TEMPORAL_NAMESPACE "
            "and CONNECTOR_WORKSPACE"
        )
    named = ", ".join(f"{queue.name} ({queue.kind})" for queue in idle[:3]) + (" …" if len(idle) > 3 else "")
    return f"no worker polls {named}: restart the workers with this version of the program"


def is_polled(queue: TaskQueueFacts, builds: Collection[str | None] = (None,)) -> bool:
    """Return whether a worker of one of these builds polls the queue, by its last poll."""
    return any(_is_recent(poller) and poller.build_id in builds for poller in queue.pollers)


def lacks_provider(queue: TaskQueueFacts) -> bool:
    """Return whether a worker that polls the queue of a channel says that it has no provider for it."""
    return any(poller.identity.endswith(NO_PROVIDER) and _is_recent(poller) for poller in queue.pollers)


def _is_recent(poller: Poller) -> bool:
    return poller.seconds_ago <= POLL_SECONDS


def _describe_routing(temporal: TemporalFacts, polling: Sequence[str]) -> str:
    """Describe workers that poll and get no tasks, because of the build that is current; '' has no build id."""
    command = f"temporal worker deployment set-current-version --deployment-name {temporal.deployment}"
    target = f"--build-id {polling[-1]}" if polling[-1] else "--unversioned"
    return (
        f"only workers {_name_builds(polling)} poll, and Temporal gives tasks only to workers "
        f"{_name_builds(temporal.builds)}, so that everything waits: `{command} {target}`, or start such workers "
        "(CONNECTOR_BUILD_ID)"
    )


def _name_builds(builds: Iterable[str | None]) -> str:
    return " and ".join(sorted(f"of build {build}" if build else "without a build id" for build in builds))
