"""Signed webhooks, by the Standard Webhooks specification (standardwebhooks.com).

    event = verify(request.get_data(), request.headers, secrets)  # Flask; raises WebhookVerificationError

HMAC-SHA256 (or ed25519) over `{webhook-id}.{webhook-timestamp}.{body}`: the raw body, so verify before it is parsed.
"""

from __future__ import annotations

import base64
import binascii
import re
import time
from typing import TYPE_CHECKING, Protocol

from swapline_producer.contract.events import read_event
from swapline_producer.errors import SettingsError, WebhookVerificationError
from swapline_producer.webhooks.keys import new_key_pair, new_secret, read_key, secret_key

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from swapline_producer.contract.events import BatchEvent, SwapEvent
    from swapline_producer.webhooks.keys import Key

__all__ = ["Headers", "new_key_pair", "new_secret", "read_key", "secret_key", "sign", "verify"]

ID_HEADER = "webhook-id"
TIMESTAMP_HEADER = "webhook-timestamp"
SIGNATURE_HEADER = "webhook-signature"

TOLERANCE = 300.0
"""Seconds, by the specification."""

_ID = re.compile(r"[!-\-/-~]{1,255}")
"""Without the full stop that separates it from the timestamp."""

_TIMESTAMP = re.compile(r"[0-9]{1,12}")


class Headers(Protocol):
    """Headers in any framework, or a dict."""

    def items(self) -> Iterable[tuple[str, str]]:
        """Return names, in any case, and values."""


def sign(payload: bytes, webhook_id: str, timestamp: int, secrets: str | Sequence[str]) -> dict[str, str]:
    """Return a webhook's three headers, with one signature for each secret (`whsec_…`, `whsk_…`).

    `timestamp`: of this attempt, seconds since the epoch. Raises SettingsError for a bad secret, ValueError for an id.
    """
    if not _ID.fullmatch(webhook_id):
        raise ValueError(
            f"{webhook_id!r} cannot be a webhook id: it has 1 to 255 printable characters, no space, no dot."
        )
    content = b"%s.%d.%s" % (webhook_id.encode("ascii"), timestamp, payload)
    signed = ((key.version, base64.b64encode(key.sign(content)).decode("ascii")) for key in _keys(secrets))
    return {
        ID_HEADER: webhook_id,
        TIMESTAMP_HEADER: str(timestamp),
        SIGNATURE_HEADER: " ".join(f"{version},{signature}" for version, signature in signed),
    }


def verify(
    payload: bytes | str,
    headers: Headers,
    secrets: str | Sequence[str],
    tolerance: float = TOLERANCE,
    now: float | None = None,
) -> SwapEvent | BatchEvent:
    """Check that a webhook is from us and fresh; return its event, of a job or a batch.

    `payload` is the raw body; one of `secrets` (`whsec_…`, or `whpk_…` with the extra `ed25519`) must match; `now`:
    seconds since the epoch, for tests. Raises WebhookVerificationError: answer 400; SettingsError and TypeError are
    the receiver's own faults.
    """
    body = payload.encode(errors="surrogatepass") if isinstance(payload, str) else payload
    if not isinstance(body, (bytes, bytearray, memoryview)):
        raise TypeError("Give verify() the raw body of the request; JSON that was parsed has lost what was signed.")
    body = bytes(body)
    webhook_id, timestamp, signatures = _three_headers(headers)
    _check_time(timestamp, tolerance, time.time() if now is None else now)
    content = b"%s.%s.%s" % (webhook_id.encode(errors="surrogatepass"), timestamp.encode(), body)
    _check_signature(_keys(secrets), content, signatures)
    try:
        return read_event(body)
    except ValueError as error:
        raise WebhookVerificationError(
            f"The signature is right, but the body is no event that this version knows ({error}); "
            "update swapline-producer.",
        ) from None


def _keys(secrets: str | Sequence[str]) -> list[Key]:
    keys = [read_key(secret) for secret in ([secrets] if isinstance(secrets, str) else secrets)]
    if not keys:
        raise SettingsError("There is no webhook secret; set SWAPLINE_WEBHOOK_SECRETS to one whsec_… or several.")
    return keys


def _three_headers(headers: Headers) -> tuple[str, str, str]:
    found = {str(name).lower(): value for name, value in headers.items()}
    values = []
    for name in (ID_HEADER, TIMESTAMP_HEADER, SIGNATURE_HEADER):
        value = found.get(name)
        if not isinstance(value, str) or not value.strip():
            raise WebhookVerificationError(
                f"The header {name} is missing; this is no webhook of ours, or a proxy cut it."
            )
        values.append(value.strip())
    return values[0], values[1], values[2]


def _check_time(timestamp: str, tolerance: float, now: float) -> None:
    if not _TIMESTAMP.fullmatch(timestamp):
        raise WebhookVerificationError(f"The header {TIMESTAMP_HEADER} is not a whole number of seconds.")
    age = now - int(timestamp)
    if abs(age) > tolerance:
        side = "old: it may be a replay" if age > 0 else "far in the future"
        raise WebhookVerificationError(
            f"The webhook's timestamp is {abs(age):.0f} s off, too {side}; check this machine's clock.",
        )


def _check_signature(keys: list[Key], content: bytes, header: str) -> None:
    """Try every signature with every key of its version, in constant time."""
    good = bad = 0
    versions = {key.version for key in keys}
    for signature in header.split():
        version, _, encoded = signature.partition(",")
        if version not in versions:
            continue  # signed for others, or by a scheme that is still to come
        try:
            given = base64.b64decode(encoded, validate=True)
        except (binascii.Error, ValueError):
            bad += 1
            continue
        good += sum(key.verifies(content, given) for key in keys if key.version == version)
    if good:
        return
    if bad:
        raise WebhookVerificationError(f"The header {SIGNATURE_HEADER} holds a signature that is not base64.")
    raise WebhookVerificationError(
        "No signature matches: the body was changed on its way, or the secret is not the sender's.",
    )
