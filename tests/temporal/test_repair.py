"""Actions by filter and a resend with a whole worker: what changes in the store reaches the workflows."""

from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import delete, update

from connector import names
from connector.app.context import AppContext, build_context
from connector.store.tables import deliveries, follow_ups, receipts
from starter.operations.bulk import act_on_page
from starter.operations.bulk_actions import BulkAction
from starter.operations.follow_ups import Criteria
from starter.operations.resending import resend
from tests.support.actors import OPERATOR
from tests.support.builders import ORIGINAL, now
from tests.support.workspace import LATER, Workspace, settings_for


@pytest.fixture
def context(workspace: Workspace, sqlite_url: str, tmp_path: Path) -> AppContext:
    """What the command line works with, on the workspace's database."""
    return build_context(settings_for(workspace.name, sqlite_url, tmp_path), workspace.database)


async def test_moved_then_sent_then_sent_again(workspace: Workspace, context: AppContext) -> None:
    """Guarantees 4 and 6: the outbox signals each move to the workflow; a resend is another workflow and delivery."""
    await workspace.open(ORIGINAL, LATER)
    await workspace.receive_push()
    row = await workspace.becomes("later", "waiting")
    criteria = Criteria(campaign="later")
    for action in (
        BulkAction("postpone", criteria, now() + timedelta(days=3)),
        BulkAction("send_now", criteria),
    ):
        page = await act_on_page(context, OPERATOR, action)
        assert [one.outcome for one in page.items] == ["done"]
    await workspace.becomes("later", "sent")
    assert (await workspace.workflow_of(row).result()).state == "sent"

    async with workspace.database.write(workspace.name) as tx:  # as if the provider had refused it
        await tx.execute(update(deliveries).values(state="failed", reason="send_failed", claimed_at=None))
        await tx.execute(update(follow_ups).values(state="failed", reason="send_failed", dispatched_at=None))
        await tx.execute(delete(receipts))
    [result] = await resend(context, OPERATOR, [row.id])
    assert result.outcome == "resent"
    again = await workspace.becomes("later", "sent")
    second = names.follow_up_id(workspace.name, "later", again.user_key, again.id, again.resends)
    assert again.resends == 1
    assert (await workspace.client.get_workflow_handle(second).result())["state"] == "sent"
