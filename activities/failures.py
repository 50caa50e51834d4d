"""Failures that may stand in a history: in words of ours, no text that could quote a user's data (guarantee 8)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import structlog
from temporalio.exceptions import ApplicationError, FailureError

from connector.store.engine.database import StoreUnavailable

_log = structlog.get_logger("activities")


@contextmanager
def without_texts() -> Iterator[None]:
    """Let what fails inside fail in words of ours; it stays retryable, and the log has where it broke.

    Raises:
        ApplicationError: of type StoreUnavailable, or of the defect's type. Failures of ours pass as they are.
    """
    try:
        yield
    except FailureError:
        raise
    except StoreUnavailable:
        raise ApplicationError("the database cannot be used now", type=StoreUnavailable.__name__) from None
    except Exception as error:
        _log.exception("activity_broke")
        raise ApplicationError("it broke; the worker's log says where", type=type(error).__name__) from None
