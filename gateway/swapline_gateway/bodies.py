"""Bodies of requests: refused by their length before they are read, and kept on disk while they come.

Of a body that comes, 64 KB are in memory, and the rest in a file without a name that ends with the request.
"""

from __future__ import annotations

from contextlib import asynccontextmanager
from http import HTTPStatus
from tempfile import SpooledTemporaryFile
from typing import IO, TYPE_CHECKING, Any

import orjson
from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import ClientDisconnect

from swapline_gateway.schema.problems import Problem
from swapline_producer.errors import RequestError

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from starlette.datastructures import FormData
    from starlette.requests import Request

    from swapline_gateway.access import Caller

IN_MEMORY = 65_536
"""Bytes of one body in memory; what the server reads at once."""

MOST_FIELDS = 40
"""Parts of a form: twice as many as a request has fields."""

OBJECTS = frozenset({"metadata", "extra"})
"""Fields that are JSON objects."""

WHOLE_NUMBERS = frozenset({"filter_id"})
MOST_DIGITS = 20
TRUE = {"true": True, "false": False, "1": True, "0": False}


class Body:
    """What a request brought: a picture's file and fields, or JSON that is not parsed yet."""

    def __init__(self, file: IO[bytes] | None, fields: dict[str, Any] | None) -> None:
        """`fields` is None for JSON, which `file` holds."""
        self._file = file
        self._fields = fields

    @property
    def may_be_large(self) -> bool:
        """Whether its values belong into a thread for pictures."""
        return self._file is not None and (self._fields is not None or self._file.tell() > IN_MEMORY)

    def values(self) -> dict[str, Any]:
        """The request's fields. Raises Problem."""
        if self._fields is None:
            return _json_object(self._read())
        return self._fields | ({} if self._file is None else {"image": self._read()})

    def _read(self) -> bytes:
        if self._file is None:
            return b""
        self._file.seek(0)
        return self._file.read()

    def close(self) -> None:
        """Let the file go."""
        if self._file is not None:
            self._file.close()


@asynccontextmanager
async def body_of(request: Request, caller: Caller) -> AsyncGenerator[Body]:
    """Read a body of JSON or a form. Raises Problem, RequestError."""
    kind = request.headers.get("Content-Type", "").partition(";")[0].strip().lower()
    check_length(request, caller.max_body)
    if kind == "multipart/form-data":
        body = await _form(request, caller.max_body)
    elif kind in {"application/json", ""} or kind.endswith("+json"):
        body = await _spooled(request, caller.max_body)
    else:
        raise Problem(
            HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
            "unsupported-media-type",
            "Send application/json, or multipart/form-data with the picture as a file.",
            {"Accept": "application/json, multipart/form-data"},
        )
    try:
        yield body
    finally:
        body.close()


async def json_of(request: Request, caller: Caller) -> dict[str, Any]:
    """Read a short JSON object; an empty body is an empty one. Raises Problem."""
    limit = min(IN_MEMORY, caller.max_body)
    check_length(request, limit)
    data = b"".join([chunk async for chunk in bounded(request, limit)])
    return _json_object(data) if data.strip() else {}


def check_length(request: Request, limit: int) -> None:
    """Refuse by its Content-Length a body that is too large. Raises Problem."""
    text = request.headers.get("Content-Length", "")
    if text.isdecimal() and int(text[:20]) > limit:
        raise _too_large(limit)


async def bounded(request: Request, limit: int) -> AsyncGenerator[bytes]:
    """The pieces of a body, as long as they are no more than `limit` bytes. Raises Problem."""
    length = 0
    try:
        async for chunk in request.stream():
            length += len(chunk)
            if length > limit:
                raise _too_large(limit)
            yield chunk
    except ClientDisconnect:
        raise Problem(HTTPStatus.BAD_REQUEST, "cut-short", "The request ended before its body did.") from None


async def _spooled(request: Request, limit: int) -> Body:
    file = SpooledTemporaryFile(max_size=IN_MEMORY)  # noqa: SIM115 -- the request closes it
    try:
        async for chunk in bounded(request, limit):
            file.write(chunk)
    except BaseException:
        file.close()
        raise
    return Body(file, None)


class _Form(MultiPartParser):
    spool_max_size = IN_MEMORY  # Starlette's own megabyte, fifty times, is what the gateway must not take
    ended = False

    def on_end(self) -> None:
        self.ended = True

    def close(self) -> None:
        for file in self._files_to_close_on_error:  # a part without an end is in no form
            file.close()


async def _form(request: Request, limit: int) -> Body:
    """Parse a multipart form, its picture in a file. Raises Problem, RequestError."""
    parser = _Form(
        request.headers, bounded(request, limit), max_files=1, max_fields=MOST_FIELDS, max_part_size=IN_MEMORY
    )
    try:
        form = await parser.parse()
        if not parser.ended:
            raise MultiPartException("its last boundary is missing")  # noqa: TRY301 -- as the parser says the others
    except (MultiPartException, KeyError, ValueError) as error:  # python-multipart lets some through as they are
        parser.close()
        message = getattr(error, "message", None) or "its parts are not as its Content-Type says"
        raise Problem(HTTPStatus.BAD_REQUEST, "malformed-body", f"The form cannot be read: {message}.") from None
    try:
        return _sorted(form)
    except BaseException:
        await form.close()
        raise


def _sorted(form: FormData) -> Body:
    """Tell the picture from the other fields. Raises RequestError."""
    file: IO[bytes] | None = None
    fields: dict[str, Any] = {}
    for name, value in form.multi_items():
        if name in fields or (name == "image" and file is not None):
            raise RequestError(f"{name}: it is there twice", field=name)
        if not isinstance(value, UploadFile):
            fields[name] = _value(name, value)
        elif name == "image":
            file = value.file
            file.seek(0, 2)
        else:
            raise RequestError(f"{name}: only image is a file", field=name)
    return Body(file, fields)


def _value(name: str, text: str) -> Any:
    """Read a form's field as JSON would say it."""
    if name in OBJECTS:
        try:
            return orjson.loads(text)
        except ValueError:
            raise RequestError(f'{name}: it must be a JSON object, as in {{"order": "4711"}}', field=name) from None
    if name in WHOLE_NUMBERS and text.strip().isdecimal() and len(text) <= MOST_DIGITS:
        return int(text)
    return TRUE.get(text.lower(), text) if name == "replace_failed" else text


def _json_object(data: bytes) -> dict[str, Any]:
    try:
        found = orjson.loads(data)
    except ValueError as error:
        raise Problem(HTTPStatus.BAD_REQUEST, "malformed-body", f"The body is not JSON: {error}.") from None
    if not isinstance(found, dict):
        raise Problem(HTTPStatus.BAD_REQUEST, "malformed-body", "The body is not a JSON object.")
    return found


def _too_large(limit: int) -> Problem:
    return Problem(
        HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
        "too-large",
        f"The body is larger than {limit:,} bytes, and was not read; make the picture smaller, or give its URL.",
        {"Connection": "close"},
        {"charged": False, "limit": limit},
    )
