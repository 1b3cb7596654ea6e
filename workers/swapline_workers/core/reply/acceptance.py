"""The reply to an accepted submission."""

from __future__ import annotations

from typing import NamedTuple

import orjson

from swapline_producer.contract import FailureCode
from swapline_producer.contract.values import vendor_id_problem
from swapline_workers.core.reply.status_reply import ReplyError, usable_status


class Acceptance(NamedTuple):
    """An accepted submission."""

    vendor_job_id: str
    status: str


def accepted(body: bytes | bytearray) -> Acceptance:
    """Read the reply to a submission: any JSON object with an id. Raises ReplyError."""
    try:
        data = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise ReplyError("it is not JSON") from error
    if not isinstance(data, dict):
        raise ReplyError("it is JSON, but not an object")
    status = data.get("status")
    kept = status if isinstance(status, str) and usable_status(status) else ""
    return Acceptance(_usable_id(data.get("id")), kept)


def _usable_id(value: object) -> str:
    if isinstance(value, bool) or not isinstance(value, str | int) or value == "":
        raise ReplyError("it has no id")
    text = str(value)
    if problem := vendor_id_problem(text):
        raise ReplyError(f"its id cannot be used: {problem}", code=FailureCode.VENDOR_ID_INVALID)
    return text
