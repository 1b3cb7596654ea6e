"""The keys that sign each tenant's webhooks. No error or log line repeats a key."""

from __future__ import annotations

import logging
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import TypeAdapter, ValidationError

from swapline_producer.contract import Tenant
from swapline_producer.errors import SettingsError
from swapline_producer.webhooks.signing import read_key, sign

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from pydantic import SecretStr

log = logging.getLogger(__name__)

CHECK_INTERVAL_S = 5.0

MOST_TENANTS = 10_000
"""Tenants in the cache, 2 MB."""

_MAP: TypeAdapter[dict[Tenant, list[str] | str]] = TypeAdapter(dict[Tenant, list[str] | str])
_SETTING = "SWAPLINE_WEBHOOK_TENANT_SECRETS"


class SigningKeys:
    """Every tenant's: its own, or the installation's."""

    def __init__(
        self,
        secrets: Sequence[SecretStr],
        of_tenants: SecretStr | None = None,
        clock: Callable[[], float] = time.monotonic,
        made: Callable[[str], list[str]] | None = None,
    ) -> None:
        """`made` reads a tenant's own secrets, which override `of_tenants`: JSON, tenant to keys, or a file of it.

        The file is read again when it changes. Raises SettingsError.
        """
        self._all = [secret.get_secret_value() for secret in secrets]
        _check(self._all)
        text = of_tenants.get_secret_value().strip() if of_tenants is not None else ""
        self._file = None if not text or text.startswith("{") else Path(text)
        self._clock = clock
        self._made = made
        self._read_made: dict[str, tuple[float, list[str]]] = {}
        self._lock = threading.Lock()
        self._check_at = clock() + CHECK_INTERVAL_S
        self._seen: tuple[int, int, int] | None = None
        self._tenants = self._read_file(self._file) if self._file else _tenants(text or "{}")

    def of(self, tenant: str) -> list[str]:
        """Return the keys that sign for a tenant. Raises LedgerUnavailable."""
        if self._made is not None and (own := self._made_by(tenant, self._made)):
            return own
        if self._file is not None and self._clock() >= self._check_at:
            self._read_again(self._file)
        return self._tenants.get(tenant, self._all)

    def _made_by(self, tenant: str, read: Callable[[str], list[str]]) -> list[str]:
        """At most a few seconds old."""
        read_at, secrets = self._read_made.get(tenant, (-CHECK_INTERVAL_S, []))
        if self._clock() - read_at >= CHECK_INTERVAL_S:
            if len(self._read_made) >= MOST_TENANTS:
                self._read_made.clear()
            secrets = read(tenant)
            self._read_made[tenant] = self._clock(), secrets
        return secrets

    def _read_again(self, file: Path) -> None:
        with self._lock:
            self._check_at = self._clock() + CHECK_INTERVAL_S
            try:
                if _stamp(file) != self._seen:
                    self._tenants = self._read_file(file)
                    log.info("the tenants' webhook secrets were read again: %d tenants", len(self._tenants))
            except (SettingsError, OSError) as error:  # it is being written: the last map is still valid
                log.warning("the tenants' webhook secrets stay as they were: %s", error)

    def _read_file(self, file: Path) -> dict[str, list[str]]:
        try:
            self._seen = _stamp(file)
            text = file.read_text()
        except (OSError, UnicodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "it is no text"
            raise SettingsError(
                f"{_SETTING} is wrong: it must be a JSON object or the path of a file with one; reading the file "
                f"failed ({reason}).",
            ) from None
        return _tenants(text)


def _stamp(file: Path) -> tuple[int, int, int]:
    found = file.stat()
    return found.st_mtime_ns, found.st_size, found.st_ino


def _tenants(text: str) -> dict[str, list[str]]:
    """Read JSON, tenant to keys. Raises SettingsError."""
    try:
        found = _MAP.validate_json(text)
    except ValidationError:
        raise SettingsError(
            f'{_SETTING} is wrong: it must be a JSON object, tenant to keys: {{"acme": ["whsec_…", …]}}.'
        ) from None
    keys = {
        tenant: [key.strip() for key in (value.split(",") if isinstance(value, str) else value)]
        for tenant, value in found.items()
    }
    for tenant, mine in keys.items():
        try:
            _check(mine)
        except SettingsError as error:
            raise SettingsError(f"{_SETTING}, tenant {tenant}: {error}") from None
        if not mine:
            raise SettingsError(f"{_SETTING}, tenant {tenant}: it has no keys; leave the tenant out instead.")
    return keys


def _check(keys: Sequence[str]) -> None:
    """So that no worker starts with a key that only verifies."""
    for key in keys:
        read_key(key)
        sign(b"", "check", 0, key)
