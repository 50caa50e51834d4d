"""Histories of the past against the workflows of today: a change that breaks one needs `workflow.patched`."""

from pathlib import Path

import pytest
from temporalio import workflow
from temporalio.client import WorkflowHistory
from temporalio.worker import Replayer

from connector import names
from connector.temporal.client import connector_plugin
from connector.wire import FollowUpStart
from tests.support.payloads import NEW
from tests.temporal.record_histories import SCENARIOS
from workflows.follow_up import FollowUpWorkflow
from workflows.launch import LaunchWorkflow
from workflows.registry import RegistryWorkflow


@workflow.defn(name=names.FOLLOW_UP, sandboxed=False)
class Hasty:
    """A follow-up that does not wait."""

    @workflow.run
    async def run(self, start: FollowUpStart) -> str:
        return "sent"


HISTORIES = sorted(Path(__file__).with_name("histories").glob("*.json"))


def recorded(path: Path) -> WorkflowHistory:
    return WorkflowHistory.from_json(path.stem, path.read_text())


@pytest.fixture(
    params=[{"sandboxed": True}, {"sandboxed": False}, {"sandboxed": False, "keys": [NEW]}],
    ids=["sandboxed", "as in production", "since encryption was switched on"],
)
def replayer(request: pytest.FixtureRequest) -> Replayer:
    workflows = [FollowUpWorkflow, LaunchWorkflow, RegistryWorkflow]
    return Replayer(workflows=workflows, plugins=[connector_plugin(**request.param)])


@pytest.mark.parametrize("path", HISTORIES, ids=lambda path: path.stem)
async def test_recorded_history_replays(replayer: Replayer, path: Path) -> None:
    """Every path through both workflows makes the commands that it made when it was recorded."""
    await replayer.replay_workflow(recorded(path))


def test_every_scenario_is_recorded() -> None:
    """Each way of a follow-up and of the registry has its history."""
    assert {scenario.__name__ for scenario in SCENARIOS} <= {path.stem for path in HISTORIES}


async def test_replay_notices_a_change() -> None:
    """The guard can fail: a follow-up that forgot to wait does not replay."""
    [path] = [path for path in HISTORIES if path.stem == "sent_after_its_delay"]
    with pytest.raises(workflow.NondeterminismError):
        await Replayer(workflows=[Hasty], plugins=[connector_plugin()]).replay_workflow(recorded(path))


def test_histories_name_no_machine() -> None:
    """What is committed names neither the machine that recorded it nor its folders."""
    for path in HISTORIES:
        text = path.read_text()
        assert "stackTrace" not in text, path.name
        identities = {line.split('"')[3] for line in text.splitlines() if '"identity"' in line}
        assert identities <= {"recorder", "history-service", ""}, (path.name, identities)
