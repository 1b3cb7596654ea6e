"""A total deadline for a call by `requests`, whose timeouts a dripping reply never meets.

Check `deadline` after the call: a reply that was cut off may look whole. Only getaddrinfo cannot be interrupted.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar

from requests.adapters import HTTPAdapter
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

from swapline_workers.adapters.http.calls import Call, PlainResponse
from swapline_workers.adapters.http.connections.timed import DeadlineHTTPConnection, DeadlineHTTPSConnection
from swapline_workers.adapters.http.direct_pool import StraightPool
from swapline_workers.adapters.http.exchange import PlainReply

if TYPE_CHECKING:
    import requests

    from swapline_workers.proxy_address import ProxyAddress


class DeadlineHTTPPool(StraightPool):
    """A pool of connections under their thread's deadline."""

    ConnectionCls = DeadlineHTTPConnection


class DeadlineHTTPSPool(StraightPool, HTTPSConnectionPool):
    """A pool of TLS connections under their thread's deadline."""

    ConnectionCls = DeadlineHTTPSConnection


class DeadlineAdapter(HTTPAdapter):
    """The transport of calls inside `limit`. It never repeats a call.

    The last pool is cached: finding it takes as long as sending.
    """

    pools: ClassVar[dict[str, type[HTTPConnectionPool]]] = {"http": DeadlineHTTPPool, "https": DeadlineHTTPSPool}
    _last: tuple[str | None, Any, Any] = (None, None, None)

    def __init__(self, *args: Any, egress_proxy: ProxyAddress | None = None, **more: Any) -> None:
        """Use `egress_proxy` for https; http goes straight."""
        self._egress_proxy = egress_proxy
        super().__init__(*args, **more)

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        """Make `requests` use these pools."""
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = {
            "http": self.pools["http"],
            "https": partial(self.pools["https"], egress_proxy=self._egress_proxy),
        }

    def get_connection_with_tls_context(self, request: Any, verify: Any, proxies: Any = None, cert: Any = None) -> Any:
        """Return the pool of an origin."""
        origin = request.origin if isinstance(request, Call) and not proxies and cert is None else None
        known, trusted, pool = self._last
        if origin is None or origin != known or verify != trusted:
            pool = super().get_connection_with_tls_context(request, verify, proxies=proxies, cert=cert)
            super().cert_verify(pool, request.url, verify, cert)  # type: ignore[no-untyped-call]  # types-requests has none
            self._last = origin, verify, pool
        return pool

    def cert_verify(self, conn: Any, url: Any, verify: Any, cert: Any) -> None:
        """Set a pool's certificates, unless it is the last one."""
        if conn is not self._last[2]:
            super().cert_verify(conn, url, verify, cert)  # type: ignore[no-untyped-call]  # as above

    def request_url(self, request: Any, proxies: Any) -> Any:
        """Return the target of the request line."""
        straight = request.target if isinstance(request, Call) and not proxies else None
        return straight or super().request_url(request, proxies)

    def build_response(self, req: Any, resp: Any) -> requests.Response:
        """Return a reply as `requests` does, without cookies."""
        if not isinstance(resp, PlainReply):
            return super().build_response(req, resp)
        return PlainResponse(req, resp, self)

    def close(self) -> None:
        """Close the connections, also of replies in use."""
        _, _, pool = self._last
        self._last = (None, None, None)
        if pool is not None:
            pool.close()
        super().close()
