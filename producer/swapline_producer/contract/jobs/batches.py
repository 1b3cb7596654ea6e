"""A completed batch as the ledger has it."""

from __future__ import annotations

from pydantic import ConfigDict

from swapline_producer.contract.base import Frozen
from swapline_producer.contract.enums import Notification, State
from swapline_producer.errors import RequestError

BATCH_PREFIX = "batch:"
"""Prefix of a batch's record id; a job's id is hexadecimal."""

DEFAULT_TENANT = "default"


class BatchCounts(Frozen):
    """How the jobs of a batch have ended."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    jobs: int
    credits: int
    states: dict[State, int]
    failures: dict[str, int]


class Batch(Frozen):
    """A completed batch. `version` is its fencing token."""

    batch: str
    """Its name within the tenant."""
    tenant: str
    webhook_url: str
    nonce: str
    """Random part of its webhook's id."""
    round: int
    """How often it was completed."""
    version: int
    finished_at: int
    counts: BatchCounts
    notification: Notification = Notification.NONE
    notify_attempts: int = 0

    @property
    def record_id(self) -> str:
        """Its id where jobs have theirs."""
        return BATCH_PREFIX + batch_key(self.batch, self.tenant)


def is_batch(record_id: str) -> bool:
    """Whether an id is that of a batch."""
    return record_id.startswith(BATCH_PREFIX)


def batch_key(batch: str, tenant: str) -> str:
    """Return `TENANT:NAME`. Raises RequestError for a colon in a tenant's name."""
    if ":" in tenant:
        raise RequestError(f"tenant: {tenant!r} is no tenant's name; it has no colon", field="tenant")
    return f"{tenant}:{batch}"


def batch_and_tenant(record_id: str) -> tuple[str, str]:
    """Return name and tenant; `batch:NAME` is the tenant `default`'s."""
    tenant, colon, batch = record_id.removeprefix(BATCH_PREFIX).partition(":")
    return (batch, tenant) if colon else (tenant, DEFAULT_TENANT)
