"""The vendor's replies, and the errors of `requests` and everything below it, as errors of ours.

    what happened                                            submit            poll
    the connection was never made: DNS, refused, TLS,        NotSent           NotSent
      connect timeout, deadline before the first byte,
      no tunnel through the egress proxy
    anything else without a reply; the deadline              Unclear           Unclear
    401, 403                                                 Unauthorized      Unauthorized
    402                                                      OutOfCredits      OutOfCredits
    404                                                      NotFound (1)      NotFound
    405, 3xx                                                 NotFound          Unclear
    429                                                      Throttled         Throttled
    another 4xx that says that all places are taken          Throttled (2)     Unclear
    other 4xx but 408 and 425                                Refused           Unclear
    408, 425, 5xx; 101, or 1xx without end                   Unclear           Unclear
    2xx that is not what the page promises                   Unclear           Unclear
    2xx that names another job                                                 MisdirectedReply

(1) A 404 that names one of the vendor's five codes is Refused: the address is right, the filter is not.
(2) Also a 403; never where one of the vendor's five codes is named.

A failed poll never fails its job. Whether a submission was sent is noted by its connection.
"""

from __future__ import annotations

from contextlib import contextmanager
from http import HTTPStatus
from typing import TYPE_CHECKING, NamedTuple

import requests
from urllib3 import exceptions as urllib3

from swapline_producer.contract import FailureCode
from swapline_workers.adapters.http.connections.tunnel import proxy_failure
from swapline_workers.adapters.http.connections.watchdog import Stage
from swapline_workers.adapters.http.replies.retry_after import retry_after
from swapline_workers.core.capacity import says_full
from swapline_workers.core.reply.evidence import WINDOW, error_text, excerpt, find_code
from swapline_workers.errors import (
    NotFound,
    NotSent,
    OutOfCredits,
    Refused,
    Throttled,
    Unauthorized,
    Unclear,
    VendorError,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from swapline_workers.adapters.http.connections.watchdog import Deadline
    from swapline_workers.core.reply.status_reply import ReplyError

RETRY_AFTER_LIMIT = 3600.0
"""Seconds: a longer wait would be a typo."""
QUOTE_LIMIT = 80
"""Characters in a sentence."""
CHAIN_LIMIT = 8
"""Errors of a chain: usually four (requests, urllib3, http.client, socket)."""

REDIRECTION, CLIENT_ERROR = 3, 4

_BEFORE_SENDING = (
    requests.ConnectTimeout,
    requests.exceptions.InvalidURL,
    requests.exceptions.MissingSchema,
    requests.exceptions.InvalidSchema,
    requests.exceptions.InvalidHeader,
    urllib3.NewConnectionError,
    urllib3.ConnectTimeoutError,
    urllib3.LocationValueError,
)
"""Errors that prove by their class that nothing was sent."""


_BY_STATUS: dict[int, type[VendorError]] = {
    HTTPStatus.UNAUTHORIZED: Unauthorized,
    HTTPStatus.PAYMENT_REQUIRED: OutOfCredits,
    HTTPStatus.FORBIDDEN: Unauthorized,
    HTTPStatus.TOO_MANY_REQUESTS: Throttled,
}


_MAY_MEAN_FULL = frozenset({*range(400, 500)}) - {
    HTTPStatus.UNAUTHORIZED,
    HTTPStatus.PAYMENT_REQUIRED,
    HTTPStatus.NOT_FOUND,
    HTTPStatus.METHOD_NOT_ALLOWED,
    HTTPStatus.REQUEST_TIMEOUT,
    HTTPStatus.TOO_EARLY,
}
"""Refusals: the job did not run, unlike after a 5xx."""


class Answer(NamedTuple):
    """A reply that is not 2xx."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Translator(NamedTuple):
    """Translates one call's errors, without `secret`, the key."""

    deadline: Deadline
    secret: str
    now: Callable[[], float]
    """Seconds since the epoch."""

    def clean(self, text: str) -> str:
        """Return a text without the secret."""
        return excerpt(text, self.secret)

    @contextmanager
    def translated(self) -> Iterator[None]:
        """Translate what is raised inside; our own errors pass."""
        try:
            yield
        except VendorError:
            raise
        except Exception as error:  # total on purpose: the outcome of a paid call must not be lost
            raise self.foreign(error) from error

    def foreign(self, error: Exception) -> VendorError:
        """Translate an error: never sent, or outcome unknown."""
        names, words = _chain(error)
        if failed := proxy_failure(error):
            words = failed.sentence
        evidence: dict[str, str | int] = {"error": names}
        if _never_sent(error, self.deadline.stage):
            return NotSent(f"the vendor could not be reached: {self.clean(words)}", evidence=evidence)
        if self.deadline.fired:
            return Unclear(f"the vendor did not answer within {self.deadline.seconds:g} s", evidence=evidence)
        return Unclear(f"the vendor's reply was lost: {self.clean(words)}", evidence=evidence)

    def unreadable(self, error: ReplyError, body: bytes | bytearray) -> Unclear:
        """Translate a 2xx that is not as the vendor promises."""
        kept = excerpt(bytes(body[: 2 * WINDOW]), self.secret)  # twice: a key that the window cuts is masked too
        if self.deadline.fired:
            sentence = f"the vendor did not end its reply within {self.deadline.seconds:g} s"
        else:
            sentence = f"the vendor's reply cannot be read: {error}; it begins with {kept[:QUOTE_LIMIT]!r}"
        return Unclear(sentence, evidence={"body": kept}, code=error.code)

    def refusal(self, answer: Answer, *, sending: bool) -> VendorError:
        """Translate a reply that is not 2xx; `sending`: to a submission."""
        code = find_code(answer.body)
        kind = kind_of(answer.status, sending=sending, named=code is not None)
        if sending and code is None and answer.status in _MAY_MEAN_FULL and says_full(answer.body):
            kind = Throttled
        sentence = f"the vendor answered {answer.status}: {error_text(answer.body, self.secret) or 'nothing'}"
        evidence: dict[str, str | int] = {"status": answer.status, "body": excerpt(answer.body, self.secret)}
        if kind is Throttled:
            wait = retry_after(answer.headers.get("Retry-After"), self.now())
            wait = None if wait is None else min(wait, RETRY_AFTER_LIMIT)
            return Throttled(sentence, retry_after=wait, evidence=evidence)
        if kind is Refused:
            return Refused(sentence, code=code or FailureCode.VENDOR_REJECTED, evidence=evidence)
        return kind(sentence, evidence=evidence)


def kind_of(status: int, *, sending: bool, named: bool) -> type[VendorError]:
    """Return the error for a status that is not 2xx; `named`: with a vendor's code."""
    if status in _BY_STATUS:
        return _BY_STATUS[status]
    if status == HTTPStatus.NOT_FOUND:
        return Refused if sending and named else NotFound
    if not sending or status in {HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_EARLY}:
        return Unclear
    if status == HTTPStatus.METHOD_NOT_ALLOWED or status // 100 == REDIRECTION:
        return NotFound
    return Refused if status // 100 == CLIENT_ERROR else Unclear


def _never_sent(error: Exception, stage: Stage) -> bool:
    if stage is not Stage.IDLE:
        return stage is Stage.CONNECTING
    reason = getattr(error.args[0], "reason", None) if error.args else None  # of urllib3's MaxRetryError
    return isinstance(error, _BEFORE_SENDING) or isinstance(reason, _BEFORE_SENDING)


def _chain(error: BaseException) -> tuple[str, str]:
    """Without messages, which would hold URLs."""
    names: list[str] = []
    words = ""
    link: BaseException | None = error
    while link is not None and len(names) < CHAIN_LIMIT:
        names.append(type(link).__name__)
        words = str(getattr(link, "strerror", None) or words)
        link = link.__cause__ or link.__context__
    return ": ".join(names), words or names[-1]
