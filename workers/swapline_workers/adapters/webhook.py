"""Deliveries of webhooks: signed, to public addresses only, bounded in time and reply."""

from __future__ import annotations

import hashlib
import http.client
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from http.cookiejar import DefaultCookiePolicy
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import requests
import urllib3

from swapline_producer.webhooks.addresses import webhook_problem
from swapline_producer.webhooks.signing import sign
from swapline_workers.adapters.http.calls import post
from swapline_workers.adapters.http.connections.tunnel import proxy_failure
from swapline_workers.adapters.http.connections.watchdog import Stage, limit
from swapline_workers.adapters.http.public_addresses import AnyAdapter, PublicAdapter
from swapline_workers.adapters.http.replies.retry_after import retry_after
from swapline_workers.adapters.signing_keys import SigningKeys
from swapline_workers.core.webhook_events import BODY_LIMIT
from swapline_workers.errors import WebhookFailed, WebhookForbidden
from swapline_workers.telemetry import context

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from pydantic import SecretStr

    from swapline_producer.contract import BatchEvent, SwapEvent
    from swapline_workers.adapters.http.connections.watchdog import Deadline
    from swapline_workers.proxy_address import ProxyAddress

CONNECT_TIMEOUT = 5.0
"""Seconds: a receiver accepts within one, even across an ocean."""

MAX_REPLY = 65_536
"""Bytes read, so that the connection can be reused."""

_FOREIGN = (
    requests.RequestException,
    urllib3.exceptions.HTTPError,
    http.client.HTTPException,
    OSError,
    ValueError,  # what a library cannot parse, UnicodeError among them
)
_HEADERS = {
    "Content-Type": "application/json",
    "User-Agent": "swapline-webhooks",
    "Accept": "*/*",
    "Accept-Encoding": "identity",  # without compression there is no bomb
}


@dataclass(frozen=True, slots=True)
class Delivered:
    """A 2xx; without digest for a long reply."""

    status: int
    seconds: float
    response_sha256: str | None


class WebhookSender:
    """The port `Webhooks`. Thread-safe."""

    def __init__(  # noqa: PLR0913 -- each is a setting of its own
        self,
        *,
        secrets: Sequence[SecretStr],
        tenant_secrets: SecretStr | None = None,
        made_secrets: Callable[[str], list[str]] | None = None,
        allow_private: bool = False,
        timeout: float = 15.0,
        trust: str | None = None,
        egress_proxy: ProxyAddress | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Bound each delivery to `timeout` seconds; `trust`: a file of certificates. Raises SettingsError.

        `egress_proxy`: for https; `allow_private` admits http and private addresses, for development; `tenant_secrets`:
        see SigningKeys.
        """
        self._keys = SigningKeys(secrets, tenant_secrets, made=made_secrets)
        self._allow_private = allow_private
        self._timeout = timeout
        self._trust = trust
        self._egress_proxy = egress_proxy
        self._clock = clock
        self._here = threading.local()

    def deliver(self, url: str, tenant: str, webhook_id: str, event: SwapEvent | BatchEvent) -> Delivered:
        """See `Webhooks.deliver`. Raises also WebhookForbidden."""
        began = time.monotonic()
        try:
            return self._deliver(url, tenant, webhook_id, event, began)
        except WebhookFailed as error:
            error.seconds = time.monotonic() - began
            raise

    def _deliver(
        self, url: str, tenant: str, webhook_id: str, event: SwapEvent | BatchEvent, began: float
    ) -> Delivered:
        host = self._checked_host(url)
        body = event.to_json()
        if len(body) > BODY_LIMIT:
            raise WebhookFailed(
                f"The webhook has {len(body):,} bytes, more than {BODY_LIMIT:,}; give the job less metadata.",
                ours=True,
            )
        keys = self._keys.of(tenant)
        if not keys:
            raise WebhookFailed(
                "There is nothing to sign with; set SWAPLINE_WEBHOOK_SECRETS to one whsec_… or several.",
                ours=True,
            )
        signed = sign(body, webhook_id, int(self._clock()), keys)
        with limit(self._timeout) as deadline:
            try:
                headers = {**_HEADERS, **signed, **context.headers()}
                status, digest = self._post(url, host, body, headers, deadline)
            except _FOREIGN as error:
                failed = proxy_failure(error)
                ours = failed is not None and not failed.target_away  # a proxy's fault disables no endpoint
                raise WebhookFailed(self._sentence(host, error, deadline), ours=ours) from error
        return Delivered(status, time.monotonic() - began, digest)

    def _checked_host(self, url: str) -> str:
        """Refuse a URL by its text; its addresses are checked on connecting."""
        if problem := webhook_problem(url, allow_private=self._allow_private):
            raise WebhookForbidden(
                f"The webhook's URL is refused: {problem}; give a public https:// URL, or set "
                "SWAPLINE_WEBHOOK_ALLOW_PRIVATE=true for development.",
            )
        return urlsplit(url).netloc

    def _post(
        self, url: str, host: str, body: bytes, headers: dict[str, str], deadline: Deadline
    ) -> tuple[int, str | None]:
        with post(
            self._session(), url, data=body, headers=headers, timeout=(CONNECT_TIMEOUT, self._timeout)
        ) as response:
            # A header that the watchdog cut off looks complete; one that came before it is.
            deadline.check()
            status = response.status_code
            digest = None
            with suppress(*_FOREIGN):  # its status is known
                digest = _digest(response)
            if status // 100 != 2:  # noqa: PLR2004 -- HTTP's successes are 2xx
                raise self._refused(host, response, digest)
            return status, digest

    def _refused(self, host: str, response: requests.Response, digest: str | None) -> WebhookFailed:
        status = response.status_code
        advice = ""
        if 300 <= status < 400:  # noqa: PLR2004 -- HTTP's redirects
            advice = "; redirects are not followed: give the final URL"
        return WebhookFailed(
            f"The webhook's receiver {host} answered {status}{advice}.",
            status=status,
            gone=status == http.client.GONE,
            retry_after=retry_after(response.headers.get("Retry-After"), self._clock()),
            response_sha256=digest,
        )

    def _sentence(self, host: str, error: Exception, deadline: Deadline) -> str:
        if failed := proxy_failure(error):
            return f"The webhook's receiver {host} could not be reached: {failed.sentence}."
        if deadline.fired or isinstance(error, (requests.Timeout, TimeoutError)):
            return f"The webhook's receiver {host} did not answer within {self._timeout:g} s."
        if isinstance(error, requests.exceptions.SSLError):
            return f"The webhook's receiver {host} has no certificate that can be trusted for this name."
        if deadline.stage is not Stage.SENDING:
            return f"The webhook's receiver {host} could not be reached."
        if _hung_up(error):
            return f"The webhook's receiver {host} hung up before it answered."
        return (
            f"The webhook's receiver {host} answered with something that is no HTTP reply; see that its URL leads to a"
            " web server, and to the right port of it."
        )

    def _session(self) -> requests.Session:
        session: requests.Session | None = getattr(self._here, "session", None)
        if session is None:
            session = self._here.session = _Session()
            session.verify = self._trust or True
            kind = AnyAdapter if self._allow_private else PublicAdapter
            adapter = kind(egress_proxy=self._egress_proxy)
            for scheme in ("http://", "https://"):
                session.mount(scheme, adapter)
        return session


class _Session(requests.Session):
    """A session without the environment's proxies, .netrc or certificates."""

    def __init__(self) -> None:
        super().__init__()
        self.trust_env = False
        self.headers.clear()
        self.cookies.set_policy(DefaultCookiePolicy(allowed_domains=()))  # no cookies are kept

    def get_redirect_target(self, resp: Any) -> None:
        """Return no target: `requests` reads a redirect's whole body even unfollowed."""


def _hung_up(error: BaseException) -> bool:
    """Whether the connection ended: `requests` also raises OSError for wrong data."""
    link: BaseException | None = error
    while link is not None:
        if isinstance(link, OSError) and not isinstance(link, requests.RequestException):
            return True
        link = link.__cause__ or link.__context__
    return False


def _digest(response: requests.Response) -> str | None:
    """Return a short reply's SHA-256, and keep its connection; close a long one's."""
    length = response.headers.get("Content-Length", "")
    if length.isascii() and length.isdigit() and len(length) <= len(str(MAX_REPLY)) and int(length) <= MAX_REPLY:
        return hashlib.sha256(response.raw.read(int(length), decode_content=False)).hexdigest()
    return None
