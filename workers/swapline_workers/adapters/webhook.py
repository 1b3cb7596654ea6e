"""Deliveries of webhooks: signed, to public addresses only, in a bounded time, with a bounded reply.

The receiver is somebody else's machine, and its URL somebody else's text: neither is trusted.
"""

from __future__ import annotations

import http.client
import threading
import time
from contextlib import suppress
from http.cookiejar import DefaultCookiePolicy
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import requests
import urllib3

from swapline_producer.addresses import url_problem
from swapline_producer.webhooks import secret_key, sign
from swapline_workers import context
from swapline_workers.adapters.deadline import limit
from swapline_workers.adapters.public import AnyAdapter, PublicAdapter
from swapline_workers.adapters.retry_after import retry_after
from swapline_workers.errors import WebhookFailed, WebhookForbidden

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from pydantic import SecretStr

    from swapline_producer.contract import SwapEvent
    from swapline_workers.adapters.deadline import Deadline

CONNECT_TIMEOUT = 5.0
"""Seconds for one address: a receiver that is there accepts within one, even across an ocean."""

MAX_BODY = 20_000
"""Bytes: what the contract promises receivers, many of which refuse large bodies."""

MAX_REPLY = 65_536
"""Bytes of a reply that are read, so that its connection can be used again. Nobody looks at them."""

_FOREIGN = (
    requests.RequestException,
    urllib3.exceptions.HTTPError,
    http.client.HTTPException,
    OSError,
    ValueError,  # a URL or a header that a library cannot stomach, UnicodeError among them
)
_HEADERS = {
    "Content-Type": "application/json",
    "User-Agent": "swapline-webhooks",
    "Accept": "*/*",
    "Accept-Encoding": "identity",  # nothing to unpack, so no bomb
}


class WebhookSender:
    """The port `Webhooks`. It may be used from several threads; each has a session of its own."""

    def __init__(
        self,
        *,
        secrets: Sequence[SecretStr],
        allow_private: bool = False,
        timeout: float = 15.0,
        trust: str | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """`timeout` is seconds in all for one delivery; `trust` a file of certificates instead of the public ones.

        `allow_private` admits http and private addresses, for development. Raises SettingsError for a secret that is
        none, so that a worker does not start with it.
        """
        self._secrets = [secret.get_secret_value() for secret in secrets]
        for secret in self._secrets:
            secret_key(secret)
        self._allow_private = allow_private
        self._timeout = timeout
        self._trust = trust
        self._clock = clock
        self._here = threading.local()

    def deliver(self, url: str, webhook_id: str, event: SwapEvent) -> int:
        """Sign and post one event, with all secrets; give the HTTP status (2xx).

        Raises WebhookFailed, and WebhookForbidden where the address must not be called.
        """
        host = self._checked_host(url)
        body = event.model_dump_json().encode()
        if len(body) > MAX_BODY:
            raise WebhookFailed(
                f"The webhook has {len(body):,} bytes, more than {MAX_BODY:,}; give the job less metadata."
            )
        if not self._secrets:
            raise WebhookFailed(
                "There is nothing to sign with; set SWAPLINE_WEBHOOK_SECRETS to one whsec_… or several."
            )
        signed = sign(body, webhook_id, int(self._clock()), self._secrets)
        with limit(self._timeout) as deadline:
            try:
                return self._post(url, host, body, {**_HEADERS, **signed, **context.headers()}, deadline)
            except _FOREIGN as error:
                raise WebhookFailed(self._sentence(host, error, deadline)) from error

    def _checked_host(self, url: str) -> str:
        """Refuse by its letters what must not be called; what a name leads to is checked on connecting."""
        problem = url_problem(url, allow_private=self._allow_private)
        if problem is None and not self._allow_private and not url.lower().startswith("https://"):
            problem = "it is not https://"
        if problem:
            raise WebhookForbidden(
                f"The webhook's URL is refused: {problem}; give a public https:// URL, or set "
                "SWAPLINE_WEBHOOK_ALLOW_PRIVATE=true for development.",
            )
        return urlsplit(url).netloc

    def _post(self, url: str, host: str, body: bytes, headers: dict[str, str], deadline: Deadline) -> int:
        with self._session().post(
            url,
            data=body,
            headers=headers,
            timeout=(CONNECT_TIMEOUT, self._timeout),
            allow_redirects=False,
            stream=True,
        ) as response:
            # A header that the watchdog cut off looks like a good one; one that came before it is whole.
            deadline.check()
            status = response.status_code
            if status // 100 != 2:  # noqa: PLR2004 -- HTTP's successes are 2xx
                raise self._refused(host, response)
            with suppress(*_FOREIGN):  # it said that it has the event: what else it says does not matter
                _drain(response)
            return status

    def _refused(self, host: str, response: requests.Response) -> WebhookFailed:
        status = response.status_code
        advice = ""
        if 300 <= status < 400:  # noqa: PLR2004 -- HTTP's redirects
            advice = "; redirects are not followed: give the final URL"
        return WebhookFailed(
            f"The webhook's receiver {host} answered {status}{advice}.",
            status=status,
            gone=status == http.client.GONE,
            retry_after=retry_after(response.headers.get("Retry-After"), self._clock()),
        )

    def _sentence(self, host: str, error: Exception, deadline: Deadline) -> str:
        if deadline.fired or isinstance(error, (requests.Timeout, TimeoutError)):
            return f"The webhook's receiver {host} did not answer within {self._timeout:g} s."
        if isinstance(error, requests.exceptions.SSLError):
            return f"The webhook's receiver {host} has no certificate that can be trusted for this name."
        if isinstance(error, (requests.ConnectionError, OSError)):
            return f"The webhook's receiver {host} could not be reached, or hung up before it answered."
        return f"The webhook's receiver {host} gave no HTTP reply that can be read ({type(error).__name__})."

    def _session(self) -> requests.Session:
        session: requests.Session | None = getattr(self._here, "session", None)
        if session is None:
            session = self._here.session = _Session()
            session.verify = self._trust or True
            adapter = AnyAdapter() if self._allow_private else PublicAdapter()
            for scheme in ("http://", "https://"):
                session.mount(scheme, adapter)
        return session


class _Session(requests.Session):
    """A session that knows nothing but what it is told: no proxies, .netrc or certificates of the environment."""

    def __init__(self) -> None:
        super().__init__()
        self.trust_env = False
        self.headers.clear()
        self.cookies.set_policy(DefaultCookiePolicy(allowed_domains=()))  # a receiver gets none back, and no other's

    def get_redirect_target(self, resp: Any) -> None:
        """Say that there is none: of a redirect, `requests` reads the whole body even when told not to follow it."""


def _drain(response: requests.Response) -> None:
    """Read a short reply to its end, so that its connection is kept; a long or endless one is hung up on."""
    length = response.headers.get("Content-Length", "")
    if length.isascii() and length.isdigit() and len(length) <= len(str(MAX_REPLY)) and int(length) <= MAX_REPLY:
        response.raw.read(int(length), decode_content=False)
