"""Middleware of every page: the password, and headers that isolate a page."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import MutableHeaders
from starlette.requests import Request

from swapline_producer.serving.root_path import without_root_path
from swapline_workers.web.basic_auth import Verdict
from swapline_workers.web.sessions import COOKIE, LIFETIME

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.responses import Response
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from swapline_workers.web.basic_auth import BasicAuth, Decision

POLICY = {
    # Everything from this very server; no script, style or frame from elsewhere, none in the page itself.
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self';"
    " connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    "X-Frame-Options": "DENY",  # for browsers that do not know frame-ancestors
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",  # with no-referrer a browser sends `Origin: null` with the board's own forms
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
    "X-Robots-Tag": "noindex",
}

PRIVATE = "private, no-store"
"""Pages show people and their orders: no proxy stores them."""

FOR_EVER = "public, max-age=31536000, immutable"
"""A static file's address changes with its content."""

CONSOLE_PAIR = 1
"""Which of the passwords that `BasicAuth` knows is the console's."""

OPEN = ("/healthz", "/static/")


class UnderRootPath:
    """Removes a proxy's path from the request."""

    def __init__(self, app: ASGIApp, root_path: str) -> None:
        """Wrap `app`."""
        self._app = app
        self._root_path = root_path

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on."""
        await self._app(without_root_path(scope, self._root_path), receive, send)


class Headers:
    """Adds the headers to every answer."""

    def __init__(self, app: ASGIApp) -> None:
        """Wrap `app`."""
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on."""

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers.update(POLICY)
                fixed = scope["path"].startswith("/static/") and message["status"] == HTTPStatus.OK
                headers["Cache-Control"] = FOR_EVER if fixed else PRIVATE
            await send(message)

        await self._app(scope, receive, with_headers)


class Guard:
    """Refuses requests without the password."""

    def __init__(
        self, app: ASGIApp, *, basic_auth: BasicAuth, refuse: Callable[[Request, HTTPStatus, str], Response]
    ) -> None:
        """Wrap `app`; `refuse` makes the page of a refusal."""
        self._app = app
        self._basic_auth = basic_auth
        self._refuse = refuse

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or refuse it."""
        if scope["type"] != "http" or scope["path"].startswith(OPEN):
            await self._app(scope, receive, send)
            return
        request = Request(scope)
        address = request.client.host if request.client else ""
        given = request.headers.get("authorization", "")
        decision = self._basic_auth.decide(given, address, request.cookies.get(COOKIE, ""))
        if decision.verdict is Verdict.WELCOME:
            scope.setdefault("state", {})["console"] = decision.pair == CONSOLE_PAIR
            await self._app(scope, receive, _with_session(request, decision.session, send))
            return
        response = await run_in_threadpool(self._refusal, request, decision)
        await response(scope, receive, send)

    def _refusal(self, request: Request, decision: Decision) -> Response:
        if decision.verdict is Verdict.WAIT:
            sentence = f"Too many wrong passwords came from your address. Try again in {decision.wait} s."
            response = self._refuse(request, HTTPStatus.TOO_MANY_REQUESTS, sentence)
            response.headers["Retry-After"] = str(decision.wait)
            return response
        sentence = "The board asks for a name and a password: those of SWAPLINE_BOARD_USER and SWAPLINE_BOARD_PASSWORD."
        response = self._refuse(request, HTTPStatus.UNAUTHORIZED, sentence)
        response.headers["WWW-Authenticate"] = 'Basic realm="Swapline board", charset="UTF-8"'
        return response


def _with_session(request: Request, token: str, send: Send) -> Send:
    if not token:
        return send
    secure = "; Secure" if request.url.scheme == "https" else ""
    cookie = f"{COOKIE}={token}; Path=/; Max-Age={LIFETIME}; HttpOnly; SameSite=Strict{secure}"

    async def with_cookie(message: Message) -> None:
        if message["type"] == "http.response.start":
            MutableHeaders(scope=message).append("Set-Cookie", cookie)
        await send(message)

    return with_cookie
