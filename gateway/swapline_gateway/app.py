"""The gateway as an ASGI app."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fastapi import FastAPI
from starlette.datastructures import MutableHeaders
from starlette.middleware import Middleware
from starlette.responses import HTMLResponse, PlainTextResponse, Response

from swapline_gateway.access import rate_limit_fields
from swapline_gateway.routes import account, batches, events, images, swaps
from swapline_gateway.routes.docs_page import page
from swapline_gateway.schema import openapi, problems
from swapline_producer.serving.root_path import without_root_path

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from swapline_gateway.service import Service

FIXED = {
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Cache-Control": "private, no-store",
}
"""Of every answer that does not say otherwise: what is asked for is one tenant's, and no page."""


class Frame:
    """Takes the root path from requests, and adds what every answer has."""

    def __init__(self, app: ASGIApp, root_path: str) -> None:
        """Stand before `app`; `root_path` is what a proxy serves it under, and may have left in a request."""
        self._app = app
        self._root_path = root_path

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on."""

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in FIXED.items():
                    headers.setdefault(name, value)
                if admission := scope.get("state", {}).get("admission"):
                    headers.update(rate_limit_fields(admission))
            await send(message)

        scope = without_root_path(scope, self._root_path)
        scope.setdefault("state", {})
        await self._app(scope, receive, with_headers)


class Gateway(FastAPI):
    """FastAPI with our own openapi.json, and without pages from a CDN."""

    def openapi(self) -> dict[str, Any]:
        """Draw openapi.json once."""
        return openapi.document(self)


def build_app(service: Service) -> FastAPI:
    """Build the app. Opens no connection."""
    app = Gateway(
        docs_url=None,
        redoc_url=None,
        openapi_url="/openapi.json",
        redirect_slashes=False,  # a redirect would lead to the Host of the request, without the root path
        servers=[{"url": service.root_path}] if service.root_path else None,
        middleware=[Middleware(Frame, root_path=service.root_path)],
    )
    app.state.service = service
    problems.install(app)
    for module in (swaps, events, images, batches, account):
        app.include_router(module.router)
    app.add_route("/docs", lambda _: _page(app, service.root_path), include_in_schema=False)
    app.add_route("/healthz", lambda _: PlainTextResponse("ok\n"), include_in_schema=False)
    return app


def _page(app: FastAPI, root_path: str) -> Response:
    policy = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'"
    return HTMLResponse(page(app.openapi(), root_path), headers={"Content-Security-Policy": policy})
