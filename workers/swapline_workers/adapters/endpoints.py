"""Endpoints that fail or are disabled, read seldom: nearly none does."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from swapline_producer.contract.answers import Endpoint
    from swapline_workers.steps.ports import Endpoints

HEALTHY_FOR_S = 1.0
"""A healthy endpoint is not read again within this time. A delivery under way takes as long."""

MOST_ENDPOINTS = 10_000
"""Endpoints in the cache, 2 MB."""


class RecentEndpoints:
    """The port `Endpoints`, over the ledger's. Thread-safe."""

    def __init__(self, endpoints: Endpoints, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        """`monotonic` returns seconds."""
        self._endpoints = endpoints
        self._now = monotonic
        self._healthy_until: dict[str, float] = {}

    def endpoint(self, endpoint_id: str) -> Endpoint | None:
        """See `steps.ports.Endpoints.endpoint`."""
        if self._now() < self._healthy_until.get(endpoint_id, 0.0):
            return None
        known = self._endpoints.endpoint(endpoint_id)
        if known is None:
            if len(self._healthy_until) >= MOST_ENDPOINTS:
                self._healthy_until.clear()
            self._healthy_until[endpoint_id] = self._now() + HEALTHY_FOR_S
        return known

    def endpoint_failed(self, endpoint: Endpoint, *, gone: bool, patience: float) -> bool:
        """See `steps.ports.Endpoints.endpoint_failed`."""
        disabled = self._endpoints.endpoint_failed(endpoint, gone=gone, patience=patience)
        self._healthy_until.pop(endpoint.endpoint_id, None)
        return disabled

    def endpoint_recovered(self, endpoint_id: str) -> bool:
        """See `steps.ports.Endpoints.endpoint_recovered`."""
        return self._endpoints.endpoint_recovered(endpoint_id)
