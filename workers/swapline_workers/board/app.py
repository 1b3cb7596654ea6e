"""The board as an ASGI app: routes, middleware and error pages."""

from __future__ import annotations

import hashlib
import logging
from http import HTTPStatus
from importlib import resources
from typing import TYPE_CHECKING

from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from swapline_producer.contract import Notification
from swapline_producer.contract.timestamps import rfc3339
from swapline_producer.errors import JobNotFound, LedgerUnavailable, NotPossible, StorageError
from swapline_producer.foreign_text import visible
from swapline_producer.messaging.publisher import CeleryPublisher
from swapline_workers.board import labels, shape
from swapline_workers.board.access.actors import Actors
from swapline_workers.board.access.guard import Guard, Headers, UnderRootPath
from swapline_workers.board.console import Console
from swapline_workers.board.facts.listing import NotUnderstood
from swapline_workers.board.pages import Pages
from swapline_workers.board.thumbnails import Thumbnails

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.types import ASGIApp

    from swapline_producer.ledger import Ledger
    from swapline_producer.storage import Storage
    from swapline_workers.web.basic_auth import BasicAuth

log = logging.getLogger(__name__)

ASSETS = {
    "board.css": "text/css; charset=utf-8",
    "board.js": "text/javascript; charset=utf-8",
    "icon.svg": "image/svg+xml",
}
"""A new version has a new address, by its digest."""


SENTENCES: dict[type[Exception], tuple[HTTPStatus, str]] = {
    JobNotFound: (HTTPStatus.NOT_FOUND, "There is no job of this id in the ledger: it never was, or it was removed."),
    LedgerUnavailable: (HTTPStatus.SERVICE_UNAVAILABLE, "Redis does not answer. The board is back when it does."),
    StorageError: (HTTPStatus.SERVICE_UNAVAILABLE, "The store of the pictures does not answer."),
}
READS_ONLY = (
    "This board's user of Redis may only read, so nothing was done; give the board the URL of swapline-producer, and it"
    " can decide."
)
OF_HTTP: dict[int, str] = {
    HTTPStatus.NOT_FOUND: "There is no such page.",
    HTTPStatus.METHOD_NOT_ALLOWED: "This page is for looking only.",
}


def build_board(
    ledger: Ledger, storage: Storage | None, basic_auth: BasicAuth, *, console_password: str = "", root_path: str = ""
) -> ASGIApp:
    """Build the app, not yet connected. `root_path`: where a proxy serves it, as `/swapline`.

    `basic_auth` knows the console's password, if there is one, as its second.
    """
    assets = {name: (resources.files(__package__) / "static" / name).read_bytes() for name in ASSETS}
    addresses = {name: f"/static/{hashlib.sha256(data).hexdigest()[:12]}/{name}" for name, data in assets.items()}
    templates = templates_of(addresses, root_path)
    actors = Actors(ledger, console_password)
    publisher = CeleryPublisher(ledger.client, ledger.prefix)
    console = Console(ledger, publisher, storage, actors, root_path=root_path)
    pages = Pages(ledger, Thumbnails(storage) if storage else None, templates, console)

    def asset(request: Request) -> Response:
        name = request.path_params["name"]
        if addresses.get(name) != request.url.path:
            return PlainTextResponse("There is no such file.", HTTPStatus.NOT_FOUND)
        return Response(assets[name], media_type=ASSETS[name])

    def wrong(request: Request, error: Exception) -> Response:
        response = pages.error(request, *_status_and_sentence(error))
        response.headers.update(getattr(error, "headers", None) or {})
        return response

    inner = Starlette(
        routes=[
            Route("/", pages.overview),
            Route("/jobs", pages.jobs),
            Route("/jobs/{job_id}", pages.job),
            Route("/jobs/{job_id}/pictures/{which}.jpg", pages.picture),
            Route("/search", pages.search),
            Route("/history", pages.history),
            Route("/console", pages.console),
            *console.routes(),
            Route("/static/{digest}/{name}", asset),
            Route("/healthz", lambda _: PlainTextResponse("ok\n")),
        ],
        middleware=[Middleware(Guard, basic_auth=basic_auth, refuse=pages.error)],
        exception_handlers=dict.fromkeys((HTTPException, Exception, *SENTENCES, NotPossible, NotUnderstood), wrong),
    )
    inner.router.redirect_slashes = False  # a redirect would lead to the request's Host, without the root path
    return UnderRootPath(Headers(inner), root_path)  # outermost: error pages have them, too


def _status_and_sentence(error: Exception) -> tuple[HTTPStatus, str]:
    """Return what a page shows; the ledger's and store's texts may hold addresses: they are logged."""
    if isinstance(error, NotUnderstood | NotPossible):
        return HTTPStatus.CONFLICT if isinstance(error, NotPossible) else HTTPStatus.BAD_REQUEST, str(error)
    if isinstance(error, HTTPException):
        return HTTPStatus(error.status_code), OF_HTTP.get(error.status_code, error.detail)
    if isinstance(error, LedgerUnavailable) and "ACL does not allow" in str(error):
        return HTTPStatus.FORBIDDEN, READS_ONLY
    for kind, (status, sentence) in SENTENCES.items():
        if isinstance(error, kind):
            if status is HTTPStatus.SERVICE_UNAVAILABLE:
                log.warning("%s", error)
            return status, sentence
    return HTTPStatus.INTERNAL_SERVER_ERROR, "Something is wrong with the board itself; see its log."


def _shown(value: object) -> object:
    """Make control characters of a foreign text visible; markup is our own."""
    return visible(value) if type(value) is str else value


def templates_of(addresses: dict[str, str], root_path: str = "") -> Environment:
    """Build the templates; `addresses`: of static files; `root_path` begins each link."""
    templates = Environment(
        loader=PackageLoader("swapline_workers.board"),
        autoescape=True,
        finalize=_shown,
        undefined=StrictUndefined,  # a missing name is a bug
        trim_blocks=True,
        lstrip_blocks=True,
    )
    templates.filters |= {
        "iso": rfc3339,
        "clock": shape.clock,
        "span": shape.span,
        "number": shape.number,
        "size": shape.size,
    }
    templates.globals |= {"asset": addresses, "root": root_path, "labels": labels, "Notification": Notification}
    return templates
