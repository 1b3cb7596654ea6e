"""API keys of the gateway. Only their SHA-256 is stored: 256 random bits need no slow hash."""

from __future__ import annotations

import hashlib
import secrets
from typing import TYPE_CHECKING, Any, cast

from swapline_producer.contract.access import KEY_PREFIX, Admission, ApiKey, KeyLimits, Scope
from swapline_producer.errors import NotPossible
from swapline_producer.ledger.scripts import LedgerPart, translated

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

KEY_BYTES = 32
"""Random bytes: 43 characters after the prefix."""


class ApiKeys(LedgerPart):
    """Makes, lists, revokes and admits keys."""

    def create(
        self, tenant: str, scopes: Iterable[Scope], *, note: str = "", limits: KeyLimits | None = None
    ) -> tuple[str, ApiKey]:
        """Return a new key, which is stored nowhere, and its record."""
        key = KEY_PREFIX + secrets.token_urlsafe(KEY_BYTES)
        made = ApiKey(
            key_id=f"key_{secrets.token_hex(6)}",
            tenant=tenant,
            scopes=tuple(sorted(set(scopes))),
            note=note,
            created_at=self._scripts.now(),
            limits=limits or KeyLimits(),
        )
        own = made.limits.model_dump(exclude_none=True)
        record: dict[Any, Any] = {
            "key_id": made.key_id,
            "tenant": tenant,
            "scopes": " ".join(made.scopes),
            "note": note,
            "created_at": str(made.created_at),
            **{name: str(value) for name, value in own.items()},
        }
        with translated(), self._scripts.client.pipeline(transaction=True) as pipe:
            pipe.hset(self._scripts.key("api_key", _hash(key)), mapping=record)
            pipe.hset(self._scripts.key("api_keys"), made.key_id, _hash(key))
            pipe.execute()
        return key, made

    def all(self) -> list[ApiKey]:
        """Return all keys, the oldest first."""
        with translated():
            hashes = cast("dict[str, str]", self._scripts.client.hgetall(self._scripts.key("api_keys"))).values()
            with self._scripts.client.pipeline(transaction=False) as pipe:
                for one in hashes:
                    pipe.hgetall(self._scripts.key("api_key", one))
                found = pipe.execute()
        return sorted((_api_key(fields) for fields in found if fields), key=lambda one: (one.created_at, one.key_id))

    def revoke(self, key_id: str) -> None:
        """Refuse a key from now on. Raises NotPossible for an unknown id."""
        with translated():
            found = cast("str | None", self._scripts.client.hget(self._scripts.key("api_keys"), key_id))
            if found is None:
                raise NotPossible(f"There is no key {key_id!r}; `swapline keys list` shows those there are.")
            with self._scripts.client.pipeline(transaction=True) as pipe:
                pipe.delete(self._scripts.key("api_key", found))
                pipe.hdel(self._scripts.key("api_keys"), key_id)
                pipe.execute()

    def with_id(self, key_id: str) -> tuple[ApiKey, str] | None:
        """Return a key's record and SHA-256 by its id, or None."""
        with translated():
            found = cast("str | None", self._scripts.client.hget(self._scripts.key("api_keys"), key_id))
        return None if found is None else self._with_hash(found)

    def with_key(self, key: str) -> tuple[ApiKey, str] | None:
        """The same by the key itself; counts no request."""
        return self._with_hash(_hash(key))

    def _with_hash(self, found: str) -> tuple[ApiKey, str] | None:
        with translated():
            fields = cast("dict[str, str]", self._scripts.client.hgetall(self._scripts.key("api_key", found)))
        return (_api_key(fields), found) if fields else None

    def admit(self, key: str, limits: KeyLimits) -> Admission | None:
        """Count a request against a key's rate; None for an unknown key.

        `limits` fill in for the key's own.
        """
        answer = self._scripts.run("admit", hash=_hash(key), rate=limits.rate, burst=limits.burst)
        if answer.get("unknown"):
            return None
        flat = answer["fields"]
        found = _api_key(dict(zip(flat[::2], flat[1::2], strict=True)))
        return Admission(
            key=found,
            policy=KeyLimits(
                rate=answer["rate"], burst=answer["burst"], max_body=found.limits.max_body or limits.max_body
            ),
            remaining=answer["remaining"],
            reset=answer["reset_ms"] / 1000,
            retry_after=answer["retry_ms"] / 1000,
        )


def _hash(key: str) -> str:
    return hashlib.sha256(key.encode(errors="replace")).hexdigest()


def _api_key(fields: Mapping[str, str]) -> ApiKey:
    own = {name: fields[name] for name in KeyLimits.model_fields if name in fields}
    return ApiKey(
        key_id=fields["key_id"],
        tenant=fields["tenant"],
        scopes=tuple(Scope(scope) for scope in fields["scopes"].split()),
        note=fields["note"],
        created_at=int(fields["created_at"]),
        used_at=int(fields["used_at"]) if "used_at" in fields else None,
        limits=KeyLimits.model_validate(own),
    )
