"""Failed deliveries, and endpoints that fail or are disabled: others have no record."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, cast

from swapline_producer.contract import Batch, Notification
from swapline_producer.contract.answers import Endpoint
from swapline_producer.ledger.scripts import LedgerPart, translated

if TYPE_CHECKING:
    from swapline_producer.contract import Job
    from swapline_producer.contract.changes import Change

FailingIndex = Literal["dead", "retrying"]

BATCHES = ":batches"
"""Suffix of batches' indexes, hidden from lists of jobs."""


class FailingWebhooks(LedgerPart):
    """Reads of failed deliveries, and moves of endpoints."""

    def failing_ids(self, kind: FailingIndex, *, limit: int = 50, since: int = 0, batches: bool = False) -> list[str]:
        """Return ids whose webhook was given up (or is tried again) since a moment, last first.

        `limit` -1: all. Some may have expired.
        """
        with translated():
            name = self._scripts.key(kind + BATCHES if batches else kind)
            found = self._scripts.client.zrange(
                name, cast("int", "+inf"), since, desc=True, byscore=True, offset=0, num=limit
            )
        return cast("list[str]", found)

    def failing_counts(self) -> dict[str, int]:
        """Count the `dead` and `retrying` webhooks, with those of batches."""
        kinds = ("dead", "retrying")
        with translated(), self._scripts.client.pipeline(transaction=False) as pipe:
            for kind in kinds:
                pipe.zcard(self._scripts.key(kind))
                pipe.zcard(self._scripts.key(kind + BATCHES))
            found = pipe.execute()
        return {kind: found[2 * place] + found[2 * place + 1] for place, kind in enumerate(kinds)}

    def endpoint(self, endpoint_id: str) -> Endpoint | None:
        """Return a failing or disabled endpoint, or None."""
        with translated():
            fields = cast("dict[str, str]", self._scripts.client.hgetall(self._scripts.key("endpoint", endpoint_id)))
        return _endpoint(endpoint_id, fields) if fields else None

    def endpoints(self, *, limit: int = 1000) -> list[Endpoint]:
        """Return the endpoints that fail or are disabled, the longest failing first.

        Of more than `limit` (0: all) those that failed last.
        """
        with translated(), self._scripts.client.pipeline(transaction=False) as pipe:
            ids = cast(
                "list[str]", self._scripts.client.zrange(self._scripts.key("endpoints"), 0, limit - 1, desc=True)
            )
            for endpoint_id in ids:
                pipe.hgetall(self._scripts.key("endpoint", endpoint_id))
            found = zip(ids, pipe.execute(), strict=True)
        endpoints = [_endpoint(endpoint_id, fields) for endpoint_id, fields in found if fields]
        return sorted(endpoints, key=lambda endpoint: endpoint.failing_since)

    def endpoint_failed(self, endpoint: Endpoint, *, gone: bool, patience: float) -> bool:
        """Note a failed delivery; return whether the endpoint is disabled: `gone`, or failing for `patience` s."""
        answer = self._scripts.run(
            "endpoint_failed",
            endpoint=endpoint.endpoint_id,
            tenant=endpoint.tenant,
            address=endpoint.address,
            error=endpoint.error,
            status=endpoint.status or 0,
            gone=gone,
            patience_ms=round(patience * 1000),
            keep_ms=self._scripts.record_ttl_ms,
        )
        return bool(answer["disabled"])

    def endpoint_recovered(self, endpoint_id: str, *, lift: bool = False) -> bool:
        """Forget that an endpoint failed (`lift`: or is disabled); return whether it did."""
        return bool(self._scripts.run("endpoint_recovered", endpoint=endpoint_id, lift=lift)["forgotten"])

    def forget_endpoints(self, tenant: str) -> None:
        """Forget a tenant's failing and disabled endpoints."""
        mine = [endpoint.endpoint_id for endpoint in self.endpoints(limit=0) if endpoint.tenant == tenant]
        for endpoint_id in mine:
            self.endpoint_recovered(endpoint_id, lift=True)


def index_changes(record: Job | Batch, change: Change) -> dict[str, str]:
    """Return which index a record leaves and enters by a change."""
    if "notification" not in change.fields:
        return {}
    before = _index(record.notification, record.notify_attempts)
    after = _index(change.fields["notification"], change.fields.get("notify_attempts", record.notify_attempts))
    suffix = BATCHES if isinstance(record, Batch) else ""
    left = {"leaves_index": before + suffix} if before and before != after else {}
    return left | ({"enters_index": after + suffix} if after else {})


def _index(notification: Notification, attempts: int) -> FailingIndex | None:
    if notification is Notification.DEAD:
        return "dead"
    return "retrying" if notification is Notification.PENDING and attempts else None


def _endpoint(endpoint_id: str, fields: dict[str, str]) -> Endpoint:
    known: dict[str, Any] = {name: value for name, value in fields.items() if name in Endpoint.model_fields}
    return Endpoint.model_validate(
        {**known, "endpoint_id": endpoint_id, "status": int(fields.get("status", 0)) or None}
    )
