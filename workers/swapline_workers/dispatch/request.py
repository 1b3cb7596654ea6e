"""Celery's request for our tasks, which ignores revocation.

All polls of a job share one task id: one click would stall a paid job for three hours.
"""

from __future__ import annotations

import logging
from typing import Any

from celery.worker.request import Request

log = logging.getLogger(__name__)

HOW_TO_CANCEL = "steps of Swapline cannot be revoked or terminated: cancel the job with `swapline jobs cancel %s`"


class StepRequest(Request):
    """A step of a job; set by `Task.Request`."""

    def revoked(self) -> bool:
        """Return False: revoked ids, revoked stamps and expiry do not apply."""
        return False

    def terminate(self, pool: Any, signal: Any = None) -> None:  # noqa: ARG002 -- Celery's own signature
        """Log how to cancel the job."""
        log.warning(HOW_TO_CANCEL, self.args[0] if self.args else "JOB")

    def cancel(self, pool: Any, signal: Any = None, emit_retry: bool = True) -> None:  # noqa: FBT002 -- Celery's own
        """Leave the step running: see `runtime/shutdown.py`."""
