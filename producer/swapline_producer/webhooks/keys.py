"""Keys of webhooks, as Standard Webhooks writes them. No error repeats a key.

`whsec_…`  a secret that both sides have: HMAC-SHA256, signatures `v1,…`
`whsk_…`   a private key: ed25519, signatures `v1a,…`; needs the extra `ed25519`
`whpk_…`   its public key, for receivers
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import secrets as rng
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from swapline_producer.errors import SettingsError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

SECRET_PREFIX = "whsec_"  # noqa: S105 -- a prefix, not a secret
PRIVATE_PREFIX = "whsk_"
PUBLIC_PREFIX = "whpk_"

_SHORTEST_SECRET = 24
"""Bytes, by the specification."""

_NEW_SECRET = 32
"""Bytes of HMAC-SHA256's digest."""

_ED25519 = 32
"""Bytes of a seed and of a public key."""

_WRONG = "A webhook secret (SWAPLINE_WEBHOOK_SECRETS) is wrong:"


class Key(Protocol):
    """Signs or verifies; `version` is its signatures' prefix."""

    @property
    def version(self) -> str:
        """`v1` or `v1a`."""

    def sign(self, content: bytes) -> bytes:
        """Return the signature. Raises SettingsError for a public key."""

    def verifies(self, content: bytes, signature: bytes) -> bool:
        """Whether a signature is by this key or its other half, in constant time."""


@dataclass(frozen=True)
class SharedSecret:
    """A `whsec_…`."""

    key: bytes = field(repr=False)
    version: str = "v1"

    def sign(self, content: bytes) -> bytes:
        """HMAC-SHA256, 32 bytes."""
        return hmac.digest(self.key, content, hashlib.sha256)

    def verifies(self, content: bytes, signature: bytes) -> bool:
        """Compare in constant time."""
        return hmac.compare_digest(self.sign(content), signature)


@dataclass(frozen=True)
class PublicKey:
    """A `whpk_…`."""

    public: Ed25519PublicKey = field(repr=False)
    version: str = "v1a"

    def sign(self, content: bytes) -> bytes:  # noqa: ARG002 -- the protocol's shape
        """Raise SettingsError: a public key cannot."""
        raise SettingsError(f"{_WRONG} whpk_… is a public key, which verifies only; the sender needs its whsk_….")

    def verifies(self, content: bytes, signature: bytes) -> bool:
        """Ask the library."""
        from cryptography.exceptions import InvalidSignature  # noqa: PLC0415 -- an extra that may not be installed

        try:
            self.public.verify(signature, content)
        except InvalidSignature:
            return False
        return True


@dataclass(frozen=True)
class PrivateKey:
    """A `whsk_…`. Verifies as well, for receivers' own tests."""

    private: Ed25519PrivateKey = field(repr=False)
    version: str = "v1a"

    def sign(self, content: bytes) -> bytes:
        """Ed25519, 64 bytes."""
        return self.private.sign(content)

    def verifies(self, content: bytes, signature: bytes) -> bool:
        """Verify with its public half."""
        return PublicKey(self.private.public_key()).verifies(content, signature)


def new_secret() -> str:
    """Return `whsec_` and the base64 of 32 random bytes."""
    return SECRET_PREFIX + base64.b64encode(rng.token_bytes(_NEW_SECRET)).decode("ascii")


def new_key_pair() -> tuple[str, str]:
    """Return a private key and its public key. Raises SettingsError."""
    private = _ed25519().Ed25519PrivateKey.generate()
    public = private.public_key().public_bytes_raw()
    both = private.private_bytes_raw() + public
    return tuple(  # type: ignore[return-value]  # it has two
        prefix + base64.b64encode(data).decode("ascii")
        for prefix, data in ((PRIVATE_PREFIX, both), (PUBLIC_PREFIX, public))
    )


def read_key(text: str) -> Key:
    """Read a key of any kind. Raises SettingsError."""
    key = text.strip()
    if key.startswith(PRIVATE_PREFIX):
        return _private(_decoded(key, PRIVATE_PREFIX))
    if key.startswith(PUBLIC_PREFIX):
        public = _decoded(key, PUBLIC_PREFIX)
        _check_length(public, (_ED25519,))
        return PublicKey(_ed25519().Ed25519PublicKey.from_public_bytes(public))
    return SharedSecret(secret_key(key))


def secret_key(secret: str) -> bytes:
    """Return a secret's bytes. Raises SettingsError."""
    encoded = secret.strip()
    if not encoded.startswith(SECRET_PREFIX):
        raise SettingsError(f"{_WRONG} it must begin with whsec_ (or whsk_, for ed25519).")
    key = _decoded(encoded, SECRET_PREFIX)
    if len(key) < _SHORTEST_SECRET:
        raise SettingsError(
            f"{_WRONG} it has {len(key)} bytes after decoding, and needs {_SHORTEST_SECRET} at least.",
        )
    return key


def _private(data: bytes) -> PrivateKey:
    _check_length(data, (_ED25519, 2 * _ED25519))
    private = _ed25519().Ed25519PrivateKey.from_private_bytes(data[:_ED25519])
    if data[_ED25519:] not in (b"", private.public_key().public_bytes_raw()):
        raise SettingsError(f"{_WRONG} the two halves of a whsk_… do not belong together; make a new one.")
    return PrivateKey(private)


def _check_length(data: bytes, right: tuple[int, ...]) -> None:
    if len(data) not in right:
        wanted = " or ".join(map(str, right))
        raise SettingsError(f"{_WRONG} an ed25519 key has {wanted} bytes after decoding, not {len(data)}.")


def _decoded(key: str, prefix: str) -> bytes:
    """Decode what follows a key's prefix. Raises SettingsError."""
    encoded = key.removeprefix(prefix).rstrip("=")
    try:
        return base64.b64decode(encoded + "=" * (-len(encoded) % 4), validate=True)
    except (binascii.Error, ValueError):
        raise SettingsError(f"{_WRONG} after {prefix} comes standard base64.") from None


def _ed25519() -> Any:
    try:
        from cryptography.hazmat.primitives.asymmetric import ed25519  # noqa: PLC0415 -- an extra
    except ImportError:
        raise SettingsError(
            "Ed25519 keys (whsk_…, whpk_…) need the extra ed25519: pip install 'swapline-producer[ed25519]'.",
        ) from None
    return ed25519
