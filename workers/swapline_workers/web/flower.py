"""The board's limits on wrong passwords and connections, for Flower."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING

from tornado.httpserver import HTTPServer
from tornado.web import HTTPError, RequestHandler

from swapline_workers.web.basic_auth import BasicAuth, Verdict
from swapline_workers.web.sessions import COOKIE, LIFETIME

if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

    from tornado.iostream import IOStream

MOST = 400
"""Connections at once: a process usually has 1,024 files."""

SILENT_FOR = 10
"""Seconds without a request; Tornado's default is an hour."""


def limit_guesses(handler: type[RequestHandler], pairs: Iterable[tuple[str, str]]) -> None:
    """Check names and passwords before all handlers of a base class."""
    basic_auth, then = BasicAuth(pairs), handler.get_current_user

    def get_current_user(self: RequestHandler) -> object:
        given = self.request.headers.get("Authorization", "")
        decision = basic_auth.decide(given, self.request.remote_ip or "", self.get_cookie(COOKIE) or "")
        if decision.verdict is Verdict.WAIT:
            sentence = f"Too many wrong passwords came from your address. Try again in {decision.wait} s."
            raise HTTPError(HTTPStatus.TOO_MANY_REQUESTS, sentence)
        if decision.verdict is Verdict.UNKNOWN:
            raise HTTPError(HTTPStatus.UNAUTHORIZED)
        if decision.session:
            secure = self.request.protocol == "https"
            self.set_cookie(COOKIE, decision.session, max_age=LIFETIME, httponly=True, samesite="Strict", secure=secure)
        return then(self)

    handler.get_current_user = get_current_user  # type: ignore[method-assign]  # Flower offers no other way in


class BoundedServer(HTTPServer):
    """Closes the oldest of more than MOST connections: Tornado would accept all, and spin."""

    def initialize(self, *arguments: Any, **options: Any) -> None:
        """Begin without connections."""
        super().initialize(*arguments, **options)
        self._streams: list[IOStream] = []

    def handle_stream(self, stream: IOStream, address: tuple[str, int]) -> None:
        """Serve one more connection."""
        self._streams.append(stream)
        if len(self._streams) > MOST:
            self._streams = [one for one in self._streams if not one.closed()]
        if len(self._streams) > MOST:
            self._streams.pop(0).close()
        super().handle_stream(stream, address)


def bound_connections() -> None:
    """Make every Tornado HTTP server of this process a bounded one."""
    HTTPServer.configure(BoundedServer, idle_connection_timeout=SILENT_FOR)
