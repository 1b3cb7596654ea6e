"""Errors as RFC 9457 problems. Sentences are those of the producer; what may hold addresses goes to the log instead."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

import orjson
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response

from swapline_producer import errors
from swapline_producer.contract.jobs.failures import FAILURES
from swapline_producer.foreign_text import visible

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fastapi import FastAPI
    from starlette.requests import Request

log = logging.getLogger(__name__)

MEDIA_TYPE = "application/problem+json"

RETRY_AFTER_S = "5"
"""Seconds after which Redis or the store may be asked again."""


@dataclass(frozen=True)
class Answer:
    """How one kind of error is answered."""

    status: HTTPStatus
    kind: str
    charged: bool | None = False
    sentence: str | None = None
    """Instead of the error's own, which then goes to the log."""


ANSWERS: Mapping[type[Exception], Answer] = {
    errors.RequestError: Answer(HTTPStatus.UNPROCESSABLE_ENTITY, "invalid-request"),
    errors.IdempotencyConflict: Answer(HTTPStatus.CONFLICT, "idempotency-conflict"),
    errors.JobNotFound: Answer(HTTPStatus.NOT_FOUND, "not-found"),
    errors.BatchNotFound: Answer(HTTPStatus.NOT_FOUND, "not-found"),
    errors.NotPossible: Answer(HTTPStatus.CONFLICT, "not-possible"),
    errors.StorageError: Answer(
        HTTPStatus.SERVICE_UNAVAILABLE,
        "storage-unavailable",
        sentence="The store of the pictures does not answer, and nothing was charged; try again.",
    ),
    errors.LedgerUnavailable: Answer(
        HTTPStatus.SERVICE_UNAVAILABLE,
        "ledger-unavailable",
        charged=None,
        sentence="The ledger does not answer, and whether it has the request is not known; send it again with the same"
        " Idempotency-Key.",
    ),
    errors.SettingsError: Answer(
        HTTPStatus.SERVICE_UNAVAILABLE,
        "misconfigured",
        sentence="The gateway's settings are wrong: its log says which; nothing was charged.",
    ),
}
"""By the first class of an error's own that stands here."""

UNEXPECTED = Answer(
    HTTPStatus.INTERNAL_SERVER_ERROR,
    "unexpected",
    charged=None,
    sentence="The gateway failed in a way that it does not know, and its log says more; send the request again with the"
    " same Idempotency-Key.",
)


@dataclass
class Problem(Exception):  # noqa: N818 -- RFC 9457's word
    """A refusal of the gateway itself."""

    status: HTTPStatus
    kind: str
    detail: str
    headers: dict[str, str] = field(default_factory=dict)
    members: dict[str, Any] = field(default_factory=dict)
    """Further members of the body."""


def install(app: FastAPI) -> None:
    """Have every error of an app told as a problem."""
    for kind in (Problem, errors.SwaplineError, HTTPException, RequestValidationError, Exception):
        app.add_exception_handler(kind, _handle)


def body_of(error: Exception) -> dict[str, Any]:
    """Describe an error of the producer, as a line of a batch's answer has it."""
    if isinstance(error, Problem):
        return _body(error.status, error.kind, error.detail, error.members)
    answer = _answer(error)
    members: dict[str, Any] = {"charged": answer.charged}
    if isinstance(error, errors.RequestError):
        members["field"] = error.field
        if error.code:
            members |= {"failure_code": error.code, "advice": FAILURES[error.code].advice}
    return _body(answer.status, answer.kind, answer.sentence or str(error), members)


def _handle(request: Request, error: Exception) -> Response:
    """Turn any exception into an answer as RFC 9457 has it."""
    if isinstance(error, Problem):
        return _response(body_of(error), error.headers)
    if isinstance(error, HTTPException):  # of the router: no such path, or no such method
        status = HTTPStatus(error.status_code)
        sentence = f"There is no {request.method} {request.url.path} here; /docs lists what there is."
        body = _body(status, status.phrase.lower().replace(" ", "-"), sentence, {})
        return _response(body, dict(error.headers or {}))
    if isinstance(error, RequestValidationError):  # of a parameter
        first = error.errors()[0]
        name = str(first["loc"][-1])
        refused = errors.RequestError(f"{name}: {first['msg']}", field=name)
        return _response(body_of(refused), {})
    answer = _answer(error)
    if answer.sentence and answer is not UNEXPECTED:  # else uvicorn logs it with its traceback
        log.warning("request failed: %s", error, extra={"event": "request_failed"})
    retry = {"Retry-After": RETRY_AFTER_S} if answer.status is HTTPStatus.SERVICE_UNAVAILABLE else {}
    return _response(body_of(error), retry)


def _answer(error: Exception) -> Answer:
    return next((ANSWERS[kind] for kind in type(error).__mro__ if kind in ANSWERS), UNEXPECTED)


def _body(status: HTTPStatus, kind: str, detail: str, members: dict[str, Any]) -> dict[str, Any]:
    return {
        "type": f"urn:swapline:problem:{kind}",
        "title": status.phrase,
        "status": status.value,
        "detail": visible(detail),
        **members,
    }


def _response(body: dict[str, Any], headers: dict[str, str]) -> Response:
    return Response(orjson.dumps(body), body["status"], headers, media_type=MEDIA_TYPE)
