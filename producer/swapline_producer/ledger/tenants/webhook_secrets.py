"""Webhook secrets of a tenant's own; stored whole, because signing needs them."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Any, cast

import orjson

from swapline_producer.contract import Frozen
from swapline_producer.errors import NotPossible
from swapline_producer.ledger.scripts import LedgerPart, translated

if TYPE_CHECKING:
    from collections.abc import Mapping


class WebhookSecret(Frozen):
    """One secret. Times are milliseconds."""

    secret_id: str
    created_at: int
    until: int | None = None
    """When it stops signing; None: when it is deleted."""


class WebhookSecrets(LedgerPart):
    """While a tenant has secrets, no others sign its webhooks."""

    def add(self, tenant: str, secret: str) -> WebhookSecret:
        """Have a secret sign from now on (workers know within seconds)."""
        made = WebhookSecret(secret_id=f"whs_{secrets.token_hex(6)}", created_at=self._scripts.now())
        self._write(tenant, {made.secret_id: {"secret": secret, "created_at": made.created_at, "until": None}})
        return made

    def rotate(self, tenant: str, secret: str, overlap: float) -> WebhookSecret:
        """Add a secret; those before it sign for `overlap` seconds more."""
        until = self._scripts.now() + round(overlap * 1000)
        before = self._read(tenant)
        self._write(tenant, {name: {**one, "until": min(one["until"] or until, until)} for name, one in before.items()})
        return self.add(tenant, secret)

    def all(self, tenant: str) -> list[WebhookSecret]:
        """Return the signing secrets, oldest first, without their values."""
        now = self._scripts.now()
        found = [
            WebhookSecret(secret_id=name, created_at=one["created_at"], until=one["until"])
            for name, one in self._read(tenant).items()
        ]
        return sorted((one for one in found if one.until is None or one.until > now), key=lambda one: one.created_at)

    def delete(self, tenant: str, secret_id: str) -> None:
        """Stop a secret. Raises NotPossible for an unknown id."""
        with translated():
            if not self._scripts.client.hdel(self._scripts.key("webhook_secrets", tenant), secret_id):
                raise NotPossible(f"There is no webhook secret {secret_id!r}.")

    def active(self, tenant: str) -> list[str]:
        """Return a tenant's signing secrets, none where the workers' settings sign."""
        now = self._scripts.now()
        found = sorted(self._read(tenant).values(), key=lambda one: one["created_at"])
        return [one["secret"] for one in found if one["until"] is None or one["until"] > now]

    def _read(self, tenant: str) -> dict[str, dict[str, Any]]:
        with translated():
            found = cast(
                "Mapping[str, str]", self._scripts.client.hgetall(self._scripts.key("webhook_secrets", tenant))
            )
        return {name: orjson.loads(text) for name, text in found.items()}

    def _write(self, tenant: str, records: Mapping[str, object]) -> None:
        with translated():
            for name, record in records.items():
                self._scripts.client.hset(
                    self._scripts.key("webhook_secrets", tenant), name, orjson.dumps(record).decode()
                )
