"""API keys of the gateway."""

from __future__ import annotations

from enum import StrEnum

from swapline_producer.contract.base import Frozen

KEY_PREFIX = "swk_"


class Scope(StrEnum):
    """What a key may do."""

    WRITE = "swaps:write"
    READ = "swaps:read"
    ADMIN = "admin"
    """Everything, and the tenant's webhook secrets and deliveries."""


class KeyLimits(Frozen):
    """Bounds of one key. None: the gateway's setting."""

    rate: float | None = None
    """Requests a second."""
    burst: int | None = None
    max_body: int | None = None


class ApiKey(Frozen):
    """A key as the ledger has it, without the key itself."""

    key_id: str
    tenant: str
    scopes: tuple[Scope, ...]
    note: str = ""
    created_at: int
    """Milliseconds, as `used_at`."""
    used_at: int | None = None
    limits: KeyLimits = KeyLimits()

    def may(self, scope: Scope) -> bool:
        """Whether the key has this scope."""
        return scope in self.scopes or Scope.ADMIN in self.scopes


class Admission(Frozen):
    """The answer to a request with a known key."""

    key: ApiKey
    policy: KeyLimits
    remaining: int
    """Requests left of the burst."""
    reset: float
    """Seconds until the whole burst is there again."""
    retry_after: float = 0.0
