"""Which vendor's account settings lead to."""

from __future__ import annotations

import functools
import hashlib
import http.client
import json
import secrets
from typing import TYPE_CHECKING, Protocol
from urllib.parse import urlsplit

from swapline_producer.ledger.accounts.registry import DEFAULT, Vendor

if TYPE_CHECKING:
    from pydantic import SecretStr

    from swapline_producer.ledger import Ledger

QUESTION = "/_control?jobs=0"
"""The simulator's page. No key is sent, nothing is charged."""

MARK = "swapline"

TIMEOUT = 3.0
"""Seconds: what does not answer is taken for a vendor, the safe mistake."""

LONGEST = 100_000
"""Bytes of an answer."""

SALT_BYTES = 16
"""Bytes of a salt, and of a key's hash."""

PORTS = {"http": 80, "https": 443}


class Credentials(Protocol):
    """Where an account is, and which key pays."""

    @property
    def api_base_url(self) -> str:
        """The vendor's address, without `/v6`."""

    @property
    def api_key(self) -> SecretStr:
        """The vendor's key."""


def vendor_of(settings: Credentials, ledger: Ledger, *, account: str = DEFAULT) -> Vendor:
    """Return these settings' vendor and key; ask at an address new to the ledger."""
    address = address_of(settings.api_base_url)
    known = ledger.accounts.get(account)
    salt = known.vendor.key.partition(":")[0] if known else ""
    key = fingerprint(settings.api_key.get_secret_value(), salt or secrets.token_hex(SALT_BYTES))
    if known is not None and known.vendor.address == address:
        return Vendor(address, known.vendor.simulated, key)
    return Vendor(address, is_simulator(address), key)


@functools.lru_cache(maxsize=256)
def fingerprint(key: str, salt: str) -> str:
    """Return SALT:HASH of a key, by scrypt (10 ms)."""
    found = hashlib.scrypt(
        key.encode(errors="surrogateescape"), salt=salt.encode(), n=2**12, r=8, p=1, dklen=SALT_BYTES
    )
    return f"{salt}:{found.hex()}"


def adopt_vendor(ledger: Ledger, settings: Credentials, *, account: str = DEFAULT) -> tuple[bool, Vendor]:
    """Bind an account to these settings' vendor; return whether that changed anything, and the vendor.

    Raises as `Accounts.adopt`.
    """
    vendor = vendor_of(settings, ledger, account=account)
    return ledger.accounts.adopt(vendor, account=account), vendor


def address_of(base_url: str) -> str:
    """Normalise an address: no usual port, user name or final slash."""
    parts = urlsplit(base_url)
    host = (parts.hostname or "").lower()
    host = f"[{host}]" if ":" in host else host
    port = "" if parts.port in {None, PORTS.get(parts.scheme)} else f":{parts.port}"
    return f"{parts.scheme}://{host}{port}{parts.path.rstrip('/')}"


def is_simulator(address: str, *, timeout: float = TIMEOUT) -> bool:
    """Ask whether the simulator answers at this address; one free request."""
    parts = urlsplit(address)
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    connection = kind(parts.netloc, timeout=timeout)
    try:
        connection.request("GET", parts.path + QUESTION)
        answer = json.loads(connection.getresponse().read(LONGEST))
    except (OSError, http.client.HTTPException, ValueError):
        return False
    finally:
        connection.close()
    return isinstance(answer, dict) and answer.get("simulator") == MARK
