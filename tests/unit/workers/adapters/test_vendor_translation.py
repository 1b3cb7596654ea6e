"""The translation is total: whatever a call raises, at whatever moment, comes out as one of our errors."""

from __future__ import annotations

import binascii
import http.client
import inspect
import json
import socket
import ssl
import zlib
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest
import requests
import responses
import urllib3

from support.vendor.client import IMAGE, KEY, STATUS, SUBMIT, V6, all_texts, client, completed, dripping, spec
from swapline_workers.adapters.http.connections.watchdog import Deadline, Stage
from swapline_workers.adapters.translation import Translator, kind_of
from swapline_workers.errors import NotFound, NotSent, OutOfCredits, Refused, Throttled, Unauthorized, Unclear

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import ModuleType

MODULES = [requests.exceptions, urllib3.exceptions, http.client, ssl, socket, json, binascii, zlib]


def _subclasses(kind: type[Exception]) -> Iterator[type[Exception]]:
    for sub in kind.__subclasses__():
        yield sub
        yield from _subclasses(sub)


def _named_in(module: ModuleType) -> list[type[Exception]]:
    return [thing for thing in vars(module).values() if inspect.isclass(thing) and issubclass(thing, Exception)]


FOREIGN = sorted(
    {kind for module in MODULES for kind in _named_in(module)}
    | {kind for kind in _subclasses(OSError) if kind.__module__ in {"builtins", "socket", "ssl"}}
    | {Exception, OSError, ValueError, UnicodeError, EOFError, RuntimeError, MemoryError, AttributeError, TypeError},
    key=lambda kind: (kind.__module__, kind.__name__),
)
NEVER_SENT = (
    requests.ConnectTimeout,
    requests.exceptions.InvalidHeader,
    requests.exceptions.InvalidSchema,
    requests.exceptions.InvalidURL,
    requests.exceptions.MissingSchema,
    urllib3.exceptions.ConnectTimeoutError,
    urllib3.exceptions.LocationValueError,
    urllib3.exceptions.NewConnectionError,
)
"""Classes, with what is derived from them, that prove by themselves that nothing was sent."""
CANNOT_COME_FROM_A_BODY = [kind for kind in FOREIGN if issubclass(kind, NEVER_SENT)]
CAN_COME_FROM_A_BODY = [kind for kind in FOREIGN if kind not in CANNOT_COME_FROM_A_BODY]


PARTICULAR: dict[type[Exception], tuple[object, ...]] = {
    http.client.IncompleteRead: (b"x", 2),
    urllib3.exceptions.IncompleteRead: (1, 2),
    urllib3.exceptions.InvalidChunkLength: (urllib3.HTTPResponse(b"x"), b"zz"),
    json.JSONDecodeError: ("x", "", 0),
    requests.exceptions.JSONDecodeError: ("x", "", 0),
}
ORDINARY: list[tuple[object, ...]] = [
    (),
    ("x",),
    (None, "x"),
    (None, "/", "x"),
    ("x", b"", 0, 1, "x"),
    (b"x", "x", 0, 1, "x"),
]


def _made(kind: type[Exception]) -> Exception:
    """Make one, whatever its constructor wants."""
    for arguments in [PARTICULAR[kind]] if kind in PARTICULAR else ORDINARY:
        with suppress(TypeError, AttributeError):
            return kind(*arguments)
    raise AssertionError(f"no way to make {kind}")


def _expected(kind: type[Exception]) -> type[Exception]:
    return NotSent if issubclass(kind, NEVER_SENT) else Unclear


@pytest.fixture
def vendor() -> Iterator[responses.RequestsMock]:
    with responses.RequestsMock() as mock:
        yield mock


def test_the_list_of_foreign_errors_is_not_empty() -> None:
    names = {kind.__name__ for kind in FOREIGN}
    assert {"ReadTimeout", "ProtocolError", "RemoteDisconnected", "SSLCertVerificationError", "gaierror"} <= names
    assert len(FOREIGN) > 80


@pytest.mark.parametrize("kind", FOREIGN)
def test_a_submission_that_raises_is_not_sent_or_unclear(vendor: responses.RequestsMock, kind: type[Exception]) -> None:
    vendor.post(SUBMIT, body=_made(kind))
    with pytest.raises((NotSent, Unclear)) as error:
        client().submit(spec(), IMAGE)
    assert type(error.value) is _expected(kind)
    assert kind.__name__ in str(error.value.evidence["error"])
    assert KEY not in all_texts(error.value)


@pytest.mark.parametrize("kind", CAN_COME_FROM_A_BODY)
def test_a_submission_whose_reply_raises_is_unclear(vendor: responses.RequestsMock, kind: type[Exception]) -> None:
    vendor.post(SUBMIT, body=dripping(b'{"id', error=_made(kind)))
    with pytest.raises(Unclear):
        client().submit(spec(), IMAGE)


@pytest.mark.parametrize("kind", FOREIGN)
def test_a_poll_that_raises_is_not_sent_or_unclear(vendor: responses.RequestsMock, kind: type[Exception]) -> None:
    vendor.post(STATUS, body=_made(kind))
    with pytest.raises(_expected(kind)), client().poll("job-abc-123", V6):
        pass


@pytest.mark.parametrize("kind", CAN_COME_FROM_A_BODY)
def test_pictures_that_raise_are_unclear(vendor: responses.RequestsMock, kind: type[Exception]) -> None:
    vendor.post(STATUS, body=dripping(completed(b"")[:40], error=_made(kind)))
    with client().poll("job-abc-123", V6) as reply, pytest.raises(Unclear):
        reply.pictures()


@pytest.mark.parametrize("kind", FOREIGN)
@pytest.mark.parametrize(("stage", "expected"), [(Stage.CONNECTING, NotSent), (Stage.SENDING, Unclear)])
def test_what_the_connection_noted_counts_more_than_the_class_of_the_error(
    kind: type[Exception], stage: Stage, expected: type[Exception]
) -> None:
    deadline = Deadline(60)
    deadline.reached(stage)
    assert type(Translator(deadline, KEY, lambda: 0).foreign(_made(kind))) is expected


@pytest.mark.parametrize(("stage", "expected"), [(Stage.CONNECTING, NotSent), (Stage.SENDING, Unclear)])
def test_a_deadline_that_fired_is_reported_in_words(stage: Stage, expected: type[Exception]) -> None:
    deadline = Deadline(60)
    deadline.reached(stage)
    deadline.fire()
    error = Translator(deadline, KEY, lambda: 0).foreign(TimeoutError())
    assert type(error) is expected
    assert stage is Stage.CONNECTING or "within 60 s" in str(error)


def test_what_ends_a_process_is_not_translated(vendor: responses.RequestsMock) -> None:
    vendor.add_callback("POST", SUBMIT, lambda _: (_ for _ in ()).throw(SystemExit))
    with pytest.raises(SystemExit):
        client().submit(spec(), IMAGE)


def test_every_status_of_http_has_a_kind() -> None:
    kinds = {NotFound, OutOfCredits, Refused, Throttled, Unauthorized, Unclear}
    for status in [*range(100, 200), *range(300, 1000)]:
        for named in (True, False):
            assert kind_of(status, sending=True, named=named) in kinds
            assert kind_of(status, sending=False, named=named) in kinds - {Refused}
