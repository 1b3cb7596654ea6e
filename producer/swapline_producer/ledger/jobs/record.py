"""A job as Redis has it: every field as text."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any

import orjson
from pydantic import ValidationError

from swapline_producer.contract import Job, JobSpec
from swapline_producer.contract.transitions.apply import DEFAULTS
from swapline_producer.errors import UnreadableRecord

if TYPE_CHECKING:
    from collections.abc import Mapping

    from swapline_producer.contract.changes import Change

APART = {
    "tenant": "tenant",
    "priority": "priority",
    "batch": "batch",
    "idempotency_key": "idempotency_key",
    "account": "pin",
}
"""Fields that Lua reads -> their names there, beside `spec`."""

PIECE = 64
"""Bytes: a hash with no longer values is one block, a third of the memory."""

SPECS = 256
"""Parsed requests in the cache, 2 MB."""

MOST_PIECES = 40
"""A longer request is one field: beyond 128 fields a hash is no block."""


def in_pieces(spec: bytes) -> dict[str, str]:
    """Cut a request (JSON) into the fields `spec`, `spec:1` and so on."""
    if len(spec) > PIECE * MOST_PIECES:
        return {"spec": spec.decode()}
    pieces: dict[str, str] = {}
    start = 0
    while start < len(spec):
        end = min(start + PIECE, len(spec))
        while end < len(spec) and spec[end] & 0xC0 == 0x80:  # noqa: PLR2004 -- UTF-8: inside of a character
            end -= 1
        pieces[f"spec:{len(pieces)}" if pieces else "spec"] = spec[start:end].decode()
        start = end
    return pieces


def whole_spec(fields: Mapping[str, str]) -> str:
    """Join the request of a record."""
    text, number = fields["spec"], 1
    while (piece := fields.get(f"spec:{number}")) is not None:
        text, number = text + piece, number + 1
    return text


def text_of(value: object) -> str:
    """Return a field's value as text."""
    if isinstance(value, bool):
        return "1" if value else "0"
    if isinstance(value, tuple):
        return orjson.dumps([picture.model_dump() for picture in value]).decode()
    return str(value)


def written(record_id: str, change: Change, keep_ms: int) -> dict[str, Any]:
    """Return the arguments of lua/moves/advance.lua that jobs and batches share."""
    ends = change.to.finished
    return {
        "id": record_id,
        "to": change.to,
        "finished": ends,
        "set": {name: text_of(value) for name, value in change.fields.items() if value is not None},
        "unset": [name for name, value in change.fields.items() if value is None],
        "due_by": change.due_by,
        "due_ms": None if change.due_in is None else max(0, round(change.due_in * 1000)),
        "note": change.note,
        "data": orjson.dumps(change.data).decode() if change.data else None,
        "sends": change.sends,
        "count": change.count,
        "keep_ms": keep_ms if ends else None,
    }


def job_of(job_id: str, fields: Mapping[str, str]) -> Job:
    """Return the job of a record. Raises UnreadableRecord."""
    try:
        return _job_of(job_id, fields)
    except ValidationError as error:
        raise UnreadableRecord(job_id, ".".join(map(str, error.errors()[0]["loc"]))) from error
    except ValueError as error:
        raise UnreadableRecord(job_id, "request or images") from error


def _job_of(job_id: str, fields: Mapping[str, str]) -> Job:
    known = {name: value for name, value in fields.items() if name in DEFAULTS}
    apart = {name: fields[field] for name, field in APART.items() if field in fields}
    spec = _spec_of(whole_spec(fields), tuple(apart.items()))
    pictures = {"images": orjson.loads(fields["images"])} if "images" in fields else {}
    return Job.model_validate({**known, **pictures, "job_id": job_id, "spec": spec})


@lru_cache(maxsize=SPECS)
def _spec_of(text: str, apart: tuple[tuple[str, str], ...]) -> JobSpec:
    return JobSpec.model_validate(orjson.loads(text) | dict(apart))
