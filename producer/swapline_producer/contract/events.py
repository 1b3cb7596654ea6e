"""The bodies of webhooks, read with the standard library alone."""

from __future__ import annotations

import json
import types
from contextlib import suppress
from dataclasses import MISSING, dataclass, fields, is_dataclass
from enum import Enum
from functools import cache
from typing import Any, Union, get_args, get_origin, get_type_hints

from swapline_producer.contract.enums import EventType, FailureCode, State


@dataclass(frozen=True, slots=True)
class _WebhookFile:
    """A stored picture, with a URL to fetch it from. Sizes in pixels and bytes."""

    key: str
    sha256: str
    bytes: int
    width: int
    height: int
    url: str


@dataclass(frozen=True, slots=True)
class WebhookVariant(_WebhookFile):
    """A variant of a picture."""

    name: str
    """The setting's, without suffix; `original` for the vendor's own."""


@dataclass(frozen=True, slots=True)
class WebhookImage(_WebhookFile):
    """One picture of a job, and its variants."""

    variants: tuple[WebhookVariant, ...] = ()


@dataclass(frozen=True, slots=True)
class SwapData:
    """The `data` of a `swap.*` webhook."""

    job_id: str
    tenant: str
    batch: str | None
    metadata: dict[str, str]
    state: State
    failure_code: FailureCode | None
    vendor_job_id: str | None
    credits: int
    images: list[WebhookImage]
    timings: dict[str, int | float | None]
    """Seconds: `queued`, `running`, `storing`, `total`; None for a stage not reached."""
    images_omitted: int = 0
    """Not named here, to bound the body; `receipt.json` has them all."""


@dataclass(frozen=True, slots=True)
class BatchData:
    """The `data` of a `batch.completed` webhook. A replaced job does not count."""

    batch: str
    tenant: str
    jobs: int
    states: dict[State, int]
    failures: dict[str, int]
    credits: int


@dataclass(frozen=True, slots=True)
class _Event:
    type: EventType
    timestamp: str
    """RFC 3339, UTC: when it happened, not when it was sent."""
    sequence: int
    """Orders the events of one job or batch."""

    def to_json(self) -> bytes:
        return json.dumps(_plain(self), ensure_ascii=False, separators=(",", ":")).encode()


@dataclass(frozen=True, slots=True)
class SwapEvent(_Event):
    """The body of a `swap.*` webhook."""

    data: SwapData


@dataclass(frozen=True, slots=True)
class BatchEvent(_Event):
    """The body of a `batch.completed` webhook; `sequence`: how often."""

    data: BatchData


def _plain(value: Any) -> Any:
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if not is_dataclass(value):
        return value
    found = ((one, getattr(value, one.name)) for one in fields(value))
    return {one.name: _plain(content) for one, content in found if content != one.default}


def read_event(body: bytes) -> SwapEvent | BatchEvent:
    """Read a body, ignoring fields of a later version. Raises ValueError, naming the field."""
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        raise ValueError("body: it is not JSON") from None
    kind = BatchEvent if isinstance(found, dict) and found.get("type") == EventType.BATCH_COMPLETED else SwapEvent
    event: SwapEvent | BatchEvent = _read(kind, found, "body")
    return event


def _read(kind: Any, value: Any, place: str) -> Any:
    """Read a JSON value as `kind`. Raises ValueError with its place."""
    origin, arguments = get_origin(kind), get_args(kind)
    if origin in {Union, types.UnionType}:
        for one in arguments:
            with suppress(ValueError):
                return _read(one, value, place)
    elif origin in {list, tuple} and isinstance(value, list):
        return origin(_read(arguments[0], item, f"{place}.{number}") for number, item in enumerate(value))
    elif origin is dict and isinstance(value, dict):
        key, content = arguments
        return {_read(key, name, place): _read(content, item, f"{place}.{name}") for name, item in value.items()}
    elif is_dataclass(kind) and isinstance(value, dict):
        return _read_fields(kind, value, "" if place == "body" else f"{place}.")
    elif origin is None and issubclass(kind, Enum):
        with suppress(ValueError):
            return kind(value)
    elif type(value) is kind:
        return value
    raise ValueError(f"{place}: it is not as expected")


def _read_fields(kind: Any, value: dict[str, Any], prefix: str) -> Any:
    hints = _hints(kind)
    missing = [one.name for one in fields(kind) if one.default is MISSING and one.name not in value]
    if missing:
        raise ValueError(f"{prefix}{missing[0]}: it is missing")
    return kind(**{name: _read(hint, value[name], prefix + name) for name, hint in hints.items() if name in value})


@cache
def _hints(kind: Any) -> dict[str, Any]:
    return get_type_hints(kind)
