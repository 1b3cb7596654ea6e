"""The FaceSwap API over HTTP. Source: the vendor's page. Errors: `translation.py`."""

from __future__ import annotations

import logging
import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING
from urllib.parse import quote
from uuid import UUID

import orjson

from swapline_producer.errors import SettingsError
from swapline_workers.adapters.http.calls import post
from swapline_workers.adapters.http.connections.watchdog import limit
from swapline_workers.adapters.http.replies.status_body import REPLY_LIMIT, Body, OpenStatusReply
from swapline_workers.adapters.http.sessions import Sessions
from swapline_workers.adapters.translation import Answer, Translator
from swapline_workers.core.reply.acceptance import Acceptance, accepted
from swapline_workers.core.reply.status_reply import ReplyError
from swapline_workers.errors import MisdirectedReply, Unclear

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pydantic import SecretStr
    from requests import Response

    from swapline_producer.contract import ApiVersion, JobSpec
    from swapline_workers.adapters.http.connections.watchdog import Deadline
    from swapline_workers.proxy_address import ProxyAddress

log = logging.getLogger(__name__)

CONNECT_TIMEOUT = 5.0
"""Seconds: a server accepts within one, even across an ocean."""
ANSWER_LIMIT = 65_536
"""Bytes of a reply to a submission."""
SUCCESS = 2


class VendorClient:
    """The port `Vendor`. Thread-safe, and usable after a fork."""

    def __init__(  # noqa: PLR0913 -- settings and seams, each named at the one place that builds it
        self,
        *,
        base_url: str,
        key_header: str,
        key: SecretStr,
        key_prefix: str = "",
        submit_timeout: float = 60.0,
        status_timeout: float = 30.0,
        connect_timeout: float = CONNECT_TIMEOUT,
        inflate: bool = True,
        max_pictures: int = 16,
        trust: str | None = None,
        egress_proxy: ProxyAddress | None = None,
        now: Callable[[], float] = time.time,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Timeouts are seconds: for a submission and a poll in all, and for one connect.

        `inflate`: see `core/reply/png.py`; `trust`: a file of certificates; `egress_proxy`: for https; `now`: seconds
        since the epoch, `clock`: monotonic. Raises SettingsError for a key that no header can carry.
        """
        self._base_url = base_url.rstrip("/")
        self._secret = key.get_secret_value()
        self._submit_timeout = submit_timeout
        self._status_timeout = status_timeout
        self._connect_timeout = connect_timeout
        self._inflate = inflate
        self._max_pictures = max_pictures
        self._now = now
        self._clock = clock
        headers = {
            "User-Agent": "swapline",
            "Accept": "application/json",
            "Accept-Encoding": "identity",  # pictures do not shrink, and without compression there is no bomb
            key_header: _sendable(key_prefix, self._secret),
        }
        self._sessions = Sessions(headers, trust, egress_proxy)

    def submit(self, spec: JobSpec, image: str) -> Acceptance:
        """See `Vendor.submit`."""
        data = request_body(spec, image)
        with limit(self._submit_timeout) as deadline:
            translator = self._translator(deadline)
            with translator.translated():
                response = post(
                    self._sessions.here().submitting,
                    f"{self._base_url}/{spec.api_version}/run/face_swap",
                    data=data,
                    timeout=(self._connect_timeout, self._submit_timeout),
                )
            with _closing(response):
                return _answered(response, translator)

    @contextmanager
    def poll(self, vendor_job_id: str, api_version: ApiVersion) -> Iterator[OpenStatusReply]:
        """See `Vendor.poll`. The time limit is for the whole block.

        A reply not understood, or of another job, closes its connection.
        """
        with limit(self._status_timeout) as deadline:
            translator = self._translator(deadline)
            began = self._clock()
            with translator.translated():
                response = post(
                    self._sessions.here().looking,
                    f"{self._base_url}/{api_version}/status/{quote(vendor_job_id, safe='')}",
                    timeout=(self._connect_timeout, self._status_timeout),
                )
            with _closing(response):
                body = Body(response, REPLY_LIMIT)
                try:
                    yield self._opened(response, body, translator, vendor_job_id, began)
                except Unclear as error:
                    if isinstance(error, MisdirectedReply):
                        log.warning("%s", error)
                    self._sessions.here().looking.close()
                    raise
                finally:
                    body.release()

    def close(self) -> None:
        """Close the connections of this thread."""
        self._sessions.close()

    def _translator(self, deadline: Deadline) -> Translator:
        return Translator(deadline, self._secret, self._now)

    def _opened(
        self, response: Response, body: Body, translator: Translator, job_id: str, began: float
    ) -> OpenStatusReply:
        with translator.translated():
            if response.status_code // 100 != SUCCESS:
                raise translator.refusal(_answer(response), sending=False)
            return OpenStatusReply(
                body,
                translator,
                job_id=job_id,
                began=began,
                inflate=self._inflate,
                max_pictures=self._max_pictures,
                clock=self._clock,
            )


def request_body(spec: JobSpec, image: str) -> bytes:
    """Return the JSON of a submission: fields that are set, and v5's others."""
    fields = {
        **spec.extra,
        "base64": image,
        "gender": spec.gender.value,
        "filter_id": str(spec.filter_id) if isinstance(spec.filter_id, UUID) else spec.filter_id,
        "ratio": spec.ratio,
        "quality_mode": spec.quality_mode,
    }
    unset = {name for name in ("ratio", "quality_mode") if fields[name] is None}
    return orjson.dumps({name: value for name, value in fields.items() if name not in unset})


def _answered(response: Response, translator: Translator) -> Acceptance:
    """An id counts, whatever came after it."""
    body = Body(response, ANSWER_LIMIT)
    try:
        body.rest()
    except Exception as error:  # noqa: BLE001 -- it is raised again below, unless the id had arrived before
        broken: Exception | None = error
    else:
        broken = None
    if response.status_code // 100 == SUCCESS:
        try:
            return accepted(body.data)
        except ReplyError as error:
            raise (translator.foreign(broken) if broken else translator.unreadable(error, body.data)) from error
    if translator.deadline.fired:
        raise translator.foreign(broken or TimeoutError())
    raise translator.refusal(_answer(response, body), sending=True)


def _answer(response: Response, body: Body | None = None) -> Answer:
    body = body or Body(response, ANSWER_LIMIT)
    with suppress(Exception):  # its status has been read; the rest is evidence only
        body.rest()
    return Answer(response.status_code, response.headers, bytes(body.data))


@contextmanager
def _closing(response: Response) -> Iterator[None]:
    try:
        yield
    finally:
        with suppress(Exception):  # the reply has been read, so a failed close does not matter
            response.close()


def _sendable(prefix: str, key: str) -> str:
    """Refuse what a header cannot carry: a library's error would log the key."""
    value = prefix + key
    if not key or not value.isascii() or not value.isprintable() or value != value.strip():
        raise SettingsError(
            "SWAPLINE_API_KEY (with SWAPLINE_API_KEY_PREFIX before it) is wrong: "
            "it must be printable ASCII without spaces around it, and not empty."
        )
    return value
