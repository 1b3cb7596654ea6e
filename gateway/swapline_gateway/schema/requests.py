"""What the gateway is asked: a swap's fields as openapi.json describes them, read as the producer reads them."""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

import orjson
from pydantic import BaseModel, ConfigDict, Field

from swapline_gateway.schema.problems import Problem
from swapline_producer.contract import Step, SwapRequest
from swapline_producer.contract.requests.swap_request import SwapOptions
from swapline_producer.contract.values import WebUrl
from swapline_producer.errors import RequestError
from swapline_producer.ledger import JobFilter

if TYPE_CHECKING:
    from starlette.datastructures import Headers

    from swapline_gateway.access import Caller
    from swapline_producer.contract import State

LONGEST_WAIT_S = 60.0
"""Seconds that `Prefer: wait` may hold an answer: proxies end a request that is silent for longer."""

_WAIT = re.compile(r"(?:^|[,;\s])wait\s*=\s*\"?(\d{1,9})\"?(?=$|[,;\s])", re.IGNORECASE)
_QUOTED = re.compile(r'"((?:[^"\\]|\\.)*)"')
_TRACEPARENT = re.compile(r"[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}")

NOT_IN_A_BODY = {
    "tenant": "the key says whose job it is; leave it out",
    "account": "the operator decides on which of the vendor's accounts a swap runs; leave it out",
    "idempotency_key": "send it as the header Idempotency-Key",
    "traceparent": "send it as the header traceparent",
}
"""Fields of a SwapRequest that come from elsewhere, and what to say of them."""


def _described(schema: dict[str, Any]) -> None:
    for name in NOT_IN_A_BODY:
        schema["properties"].pop(name, None)


class SwapBody(SwapOptions):
    """A face swap to be made."""

    model_config = ConfigDict(json_schema_extra=_described, title="SwapBody")

    image: str = Field(
        min_length=1,
        description="A public https URL, which the vendor fetches, or the base64 (or data URI) of a whole JPEG, PNG or"
        " WebP of at most 7.5 MB. In a form: the file itself.",
        examples=["https://pictures.example/me.jpg"],
    )
    replace_failed: bool = Field(
        default=False, description="Where the idempotency key belongs to a swap that ended without success: a new one."
    )


class CancelBody(BaseModel):
    """How to cancel a swap."""

    model_config = ConfigDict(extra="forbid")

    keep_result: bool = Field(
        default=False, strict=True, description="Store the pictures all the same, if the vendor brings some."
    )


class SealBody(BaseModel):
    """Where to tell that a batch is complete."""

    model_config = ConfigDict(extra="forbid")

    webhook_url: WebUrl = Field(description="An https URL.", json_schema_extra={"format": "uri"})


class RotateBody(BaseModel):
    """How long the secrets before the new one go on."""

    model_config = ConfigDict(extra="forbid")

    overlap_seconds: float = Field(default=86_400, ge=0, le=31_536_000, strict=True)


class ReplayBody(BaseModel):
    """From where a swap is run again."""

    model_config = ConfigDict(extra="forbid")

    step: Step = Field(description="submit (paid again), poll, finalize or notify")
    accept_charge: bool = Field(default=False, strict=True, description="Required with `submit`: it is paid again.")


def swap_request(caller: Caller, headers: Headers, values: dict[str, Any]) -> SwapRequest:
    """Read a swap in the name of the caller's tenant. Raises RequestError."""
    for name, sentence in NOT_IN_A_BODY.items():
        if name in values:
            raise RequestError(f"{name}: {sentence}", field=name)
    given = {"tenant": caller.tenant, **values}
    if key := idempotency_key(headers):
        given["idempotency_key"] = key
    trace = headers.get("traceparent", "")
    if _TRACEPARENT.fullmatch(trace):  # a broken one is no reason to refuse (W3C, 3.2)
        given["traceparent"] = trace
    return SwapRequest.model_validate(given)


def idempotency_key(headers: Headers) -> str | None:
    """The header's value, which the IETF's draft puts in quotes and everybody else does not."""
    text = headers.get("Idempotency-Key", "")
    quoted = _QUOTED.fullmatch(text)
    return re.sub(r"\\(.)", r"\1", quoted[1]) if quoted else text or None


def seconds_to_wait(headers: Headers) -> float:
    """What `Prefer: wait=…` asks for; 0 without it."""
    found = _WAIT.search(headers.get("Prefer", ""))
    return min(float(found[1]), LONGEST_WAIT_S) if found else 0.0


class Cursor:
    """The place between two pages of a list: an id, and the filters that it belongs to."""

    def __init__(self, wanted: JobFilter) -> None:
        """Bind it to the filters."""
        self._mark = hashlib.sha256(wanted.model_dump_json().encode()).hexdigest()[:8]

    def write(self, after: str | None) -> str | None:
        """The cursor behind an id."""
        if after is None:
            return None
        return base64.urlsafe_b64encode(orjson.dumps([self._mark, after])).decode().rstrip("=")

    def read(self, text: str | None) -> str | None:
        """The id that a cursor stands behind. Raises RequestError."""
        if text is None:
            return None
        try:
            mark, after = orjson.loads(base64.b64decode(text + "=" * (-len(text) % 4), b"-_", validate=True))
        except (ValueError, TypeError, binascii.Error):
            mark = after = None
        if mark != self._mark or not isinstance(after, str):
            raise RequestError(
                "cursor: it is not the `next` of a page with these filters; begin without one", field="cursor"
            )
        return after


class Tag:
    """A filter on metadata: `order:4711`, or `order` for every swap that has it."""

    def __init__(self, text: str) -> None:
        """Split at the first colon."""
        self._name, colon, self._value = text.partition(":")
        self._any = not colon

    def fits(self, metadata: dict[str, str]) -> bool:
        """Whether a job has it."""
        return self._name in metadata and (self._any or metadata[self._name] == self._value)


def job_filter(tenant: str, states: list[State], batch: str | None) -> JobFilter:
    """The jobs of a tenant that are asked for."""
    return JobFilter(states=tuple(states), tenants=(tenant,), batch=batch)


def not_whole(name: str, sentence: str) -> Problem:
    """A parameter that cannot be read."""
    return Problem(HTTPStatus.UNPROCESSABLE_ENTITY, "invalid-request", f"{name}: {sentence}", {}, {"field": name})
