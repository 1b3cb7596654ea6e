"""A status reply on the wire: its status at once, its pictures when they are read.

The body has a limit, also when inflated.
"""

from __future__ import annotations

import time
from collections import deque
from contextlib import suppress
from functools import cached_property
from typing import TYPE_CHECKING

from swapline_workers.adapters.http.exchange import PlainReply
from swapline_workers.adapters.translation import QUOTE_LIMIT
from swapline_workers.core.reply import status_reply as reply
from swapline_workers.core.reply.evidence import find_code, words
from swapline_workers.core.reply.picture import NotWhole, whole_picture
from swapline_workers.core.reply.picture_text import PictureError, decode
from swapline_workers.core.reply.status_reply import COMPLETED, PREFIX, ReplyError
from swapline_workers.errors import MisdirectedReply, OutputInvalid, OutputMissing, TooManyPictures, Unclear

if TYPE_CHECKING:
    from collections.abc import Callable

    from requests import Response

    from swapline_workers.adapters.translation import Translator

REPLY_LIMIT = 64 * 1024 * 1024
"""Bytes: nine pictures of the vendor's size."""
DOWNLOAD = 10
"""Times the status timeout, for the pictures: 5.5 MB at 18 kB a second.

Slower ones are tried again until the store timeout.
"""
BLOCK = 65_536
"""Bytes: four TLS records."""


KEPT = 4
"""Buffers: twice what two cores fill at once."""
KEPT_LENGTH = 16 * 1024 * 1024
"""Bytes of a buffer: twice the usual reply."""

_buffers: deque[bytearray] = deque(maxlen=KEPT)


class Body:
    """The bytes that have arrived: the first `length` of `data`.

    A used buffer saves 3.8 ms of CPU of 5.4 for 5.5 MB.
    """

    def __init__(self, response: Response, limit: int) -> None:
        """`limit`: bytes, inflated."""
        self._raw = response.raw
        self._encoded = response.headers.get("Content-Encoding", "identity").lower() != "identity"
        self._limit = limit
        self.data = bytearray()
        self.length = 0
        self._borrowed = False
        self.ended = False

    @property
    def too_long(self) -> bool:
        """Whether the limit was passed: the connection is not reused."""
        return self.length > self._limit

    @property
    def arrived(self) -> bytes:
        """Return a copy of what has arrived."""
        return bytes(memoryview(self.data)[: self.length])

    def more(self) -> bool:
        """Wait for the next bytes; False when there are none or too many. Raises what sockets and libraries raise."""
        if not self.ended:
            block = self._raw.read1(BLOCK, decode_content=self._encoded)
            self.data += block
            self.length = len(self.data)
            self.ended = not block or self.too_long
        return not self.ended

    def rest(self) -> bytearray:
        """Wait for all of it, up to the limit."""
        if not self.ended and (source := self._plain()) is not None:
            self._fill(source)
        while self.more():
            pass
        return self.data

    def release(self) -> None:
        """Pass the buffer to the next reply; `data` is invalid then."""
        if self._borrowed and len(self.data) <= KEPT_LENGTH:
            _buffers.append(self.data)
        self._borrowed = False
        self.data, self.length, self.ended = bytearray(), 0, True

    def _plain(self) -> PlainReply | None:
        """Return the reply where it is uncompressed, of known, large and allowed length."""
        if isinstance(self._raw, PlainReply) and BLOCK < self._raw.left <= self._limit - self.length:
            return self._raw
        return None

    def _fill(self, source: PlainReply) -> None:
        whole = self.length + source.left
        buffer = _buffer(whole)
        buffer[: self.length] = self.data
        view = memoryview(buffer)[self.length : whole]
        self.data, self._borrowed = buffer, True
        try:
            source.fill(view)
        finally:
            self.length = whole - source.left
        self.ended = True


def _buffer(length: int) -> bytearray:
    for _ in range(len(_buffers)):
        with suppress(IndexError):  # another thread was faster
            buffer = _buffers.pop()
            if len(buffer) >= length:
                return buffer
    return bytearray(length)


class OpenStatusReply:
    """One reply to a poll. COMPLETED counts once read, all else at the end."""

    def __init__(
        self,
        body: Body,
        translator: Translator,
        *,
        job_id: str,
        began: float,
        inflate: bool,
        max_pictures: int,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Read until the status is known. `began`: when the call was sent, by `clock`, in seconds.

        `job_id` is the vendor's. Raises Unclear, and what `Body.more` raises.
        """
        self._job_id = job_id
        self._body = body
        self._translator = translator
        self._inflate = inflate
        self._max_pictures = max_pictures
        self._early: tuple[bytes, object] = (b"", None)
        self.answered_after = self._wait_for_words(began, clock)
        """Seconds from sending the call to the body's first byte."""
        self.status = self._early_status() or self._final_status()

    @cached_property
    def failure(self) -> str | None:
        """Return a vendor's code, or at most 300 characters of error text."""
        body, data = self._early
        return find_code(body) or self._translator.clean(words(data) or "") or None

    def pictures(self) -> list[bytes]:
        """Read the rest; return each picture, checked to be whole. Once only, with a time limit of its own.

        Raises OutputMissing, OutputInvalid, and Unclear when the reply broke off or changed.
        """
        self._translator.deadline.extend(DOWNLOAD * self._translator.deadline.seconds)
        with self._translator.translated():
            self._body.rest()
        if self._body.too_long:
            raise OutputInvalid(f"the reply is longer than {REPLY_LIMIT // 1024**2} MiB")
        try:
            pictures = [self._picture(number, image) for number, image in enumerate(self._images())]
        except ReplyError as error:
            raise self._translator.unreadable(error, self._body.arrived) from error
        self._body.release()
        return pictures

    def _images(self) -> list[object]:
        whole = self._whole()
        if whole.status != COMPLETED:
            raise ReplyError("it begins as COMPLETED and ends as something else")
        if not whole.images:
            raise OutputMissing("the vendor says COMPLETED and sent no picture in output.images")
        if (number := len(whole.images)) > self._max_pictures:
            raise TooManyPictures(
                f"the reply has {number:,} pictures, more than the {self._max_pictures} of SWAPLINE_MAX_PICTURES"
            )
        return whole.images

    def _picture(self, number: int, image: object) -> bytes:
        try:
            return whole_picture(decode(image), inflate=self._inflate)
        except (PictureError, NotWhole) as error:
            raise OutputInvalid(f"picture {number} of the reply is not a whole picture: {error}") from error

    def _wait_for_words(self, began: float, clock: Callable[[], float]) -> float:
        while not self._body.data[:PREFIX].strip() and self._body.more():
            pass
        return clock() - began

    def _early_status(self) -> str | None:
        while True:
            early = reply.beginning(bytes(self._body.data[: min(PREFIX, self._body.length)]))
            self._check_id(early.job_id)
            if early.status == COMPLETED and early.job_id is not None:
                return COMPLETED
            if len(self._body.data) >= PREFIX or not self._body.more():
                return None

    def _final_status(self) -> str:
        self._body.rest()
        if self._body.too_long:
            raise Unclear(f"the status reply is longer than {REPLY_LIMIT // 1024**2} MiB")
        try:
            whole = self._whole()
        except ReplyError as error:
            raise self._translator.unreadable(error, self._body.arrived) from error
        if whole.status != COMPLETED:
            self._early = self._body.arrived, whole.data
        return whole.status

    def _whole(self) -> reply.Reply:
        """Read what arrived as this job's reply. Raises ReplyError, MisdirectedReply."""
        whole = reply.read(self._body.data, self._body.length)
        self._check_id(reply.id_of(whole.data))
        return whole

    def _check_id(self, found: str | None) -> None:
        if found is not None and found != self._job_id:
            other = self._translator.clean(found)
            raise MisdirectedReply(
                f"the reply is about another job: it names {other[:QUOTE_LIMIT]!r} and {self._job_id!r} was asked for",
                evidence={"id": other},
            )
