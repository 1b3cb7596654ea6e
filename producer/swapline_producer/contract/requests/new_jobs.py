"""A job to be accepted: a request with its picture by reference."""

from __future__ import annotations

import hashlib
from typing import Annotated, Any, Literal, NamedTuple

import orjson
from pydantic import ConfigDict, Field

from swapline_producer.contract.base import Frozen
from swapline_producer.contract.enums import Done
from swapline_producer.contract.values import WebUrl


class PreparedFrom(Frozen):
    """The picture given, where another was made of it."""

    media_type: str
    sha256: str
    size: int
    """Bytes."""
    width: int
    height: int
    done: tuple[Done, ...]


class StoredImage(Frozen):
    """An input in object storage, under its SHA-256."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    kind: Literal["stored"] = "stored"
    sha256: str
    media_type: str
    width: int
    height: int
    size: int
    """Bytes, before base64."""
    prepared: PreparedFrom | None = None
    warnings: tuple[str, ...] = Field((), exclude_if=lambda warnings: not warnings)
    """What was seen of its faces."""

    @property
    def key(self) -> str:
        """Its name in object storage."""
        return f"inputs/{self.sha256}"


class LinkedImage(Frozen):
    """An input at a public URL."""

    kind: Literal["url"] = "url"
    url: WebUrl


ImageRef = Annotated[StoredImage | LinkedImage, Field(discriminator="kind")]


class NewJob(NamedTuple):
    """A job to be accepted."""

    job_id: str
    spec: dict[str, Any]
    """A `JobSpec` as JSON has it, without what is absent."""
    fingerprint: str
    queue_ttl: float
    """Seconds."""
    run_timeout: float
    """Seconds."""
    replace_failed: bool = False
    """A job without success yields its idempotency key."""
    stored_after: int | None = None
    """The last deletion known before its input was stored; None where that is held."""


def fingerprint(spec: dict[str, Any]) -> str:
    """Return what tells requests under one idempotency key apart.

    Trace and warnings do not count; a prepared picture counts as given. Raises TypeError for what JSON cannot have.
    """
    same = {name: value for name, value in spec.items() if name != "trace"}
    same["image"] = {name: value for name, value in spec["image"].items() if name != "warnings"}
    if prepared := spec["image"].get("prepared"):
        same["image"] = {"made_of": prepared["sha256"]}
    return hashlib.sha256(orjson.dumps(same, option=orjson.OPT_SORT_KEYS)).hexdigest()
