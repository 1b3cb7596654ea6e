"""Metrics over HTTP: /metrics, behind a password where there is one, and /healthz for whoever watches the process."""

from __future__ import annotations

import base64
import binascii
import hmac
import ipaddress
import socket
import threading
from contextlib import contextmanager
from http import HTTPStatus
from socketserver import TCPServer, ThreadingMixIn
from typing import TYPE_CHECKING
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer

from prometheus_client import make_wsgi_app

from swapline_producer.errors import SettingsError

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable
    from typing import Any
    from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

    from prometheus_client import CollectorRegistry

USER = "metrics"
"""Whom a browser and Prometheus say they are. Only the password is compared."""

SLOWEST = 15
"""Seconds that one reader may take to ask: a scrape each 15 s is what Prometheus does."""


def check_exposure(host: str, password: str | None) -> None:
    """Refuse to serve strangers: beyond loopback a password is needed. Raises SettingsError."""
    if password is None and not _is_loopback(host):
        raise SettingsError(
            f"Metrics are not served at {host} without a password: set SWAPLINE_METRICS_PASSWORD (or _FILE), or serve"
            " them at 127.0.0.1.",
        )


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def application(registry: CollectorRegistry, password: str | None) -> WSGIApplication:
    """The pages: /metrics, /healthz (open: it only says that the process lives), and / leads to /metrics."""
    metrics = make_wsgi_app(registry)

    def pages(environ: WSGIEnvironment, start: StartResponse) -> Iterable[bytes]:
        match environ["PATH_INFO"]:
            case "/healthz":
                return _said(start, HTTPStatus.OK, "ok")
            case "/" | "/metrics" if not _may_read(environ.get("HTTP_AUTHORIZATION", ""), password):
                return _said(start, HTTPStatus.UNAUTHORIZED, f"These metrics need a password; the user is {USER}.")
            case "/metrics":
                found: Iterable[bytes] = metrics(environ, start)
                return found
            case "/":
                return _said(start, HTTPStatus.FOUND, "See /metrics.")
        return _said(start, HTTPStatus.NOT_FOUND, "There are /metrics and /healthz.")

    return pages


def _said(start: StartResponse, status: HTTPStatus, sentence: str) -> list[bytes]:
    headers = [("Content-Type", "text/plain; charset=utf-8"), ("Cache-Control", "no-store")]
    if status is HTTPStatus.UNAUTHORIZED:
        headers.append(("WWW-Authenticate", 'Basic realm="swapline metrics", charset="UTF-8"'))
    if status is HTTPStatus.FOUND:
        headers.append(("Location", "/metrics"))
    start(f"{status.value} {status.phrase}", headers)
    return [f"{sentence}\n".encode()]


def _may_read(header: str, password: str | None) -> bool:
    """Whether the password came with the call: Basic with any user, as browsers and Prometheus do, or Bearer."""
    if password is None:
        return True
    scheme, _, given = header.partition(" ")
    if scheme.lower() == "basic":
        try:
            given = base64.b64decode(given, validate=True).decode().partition(":")[2]
        except (binascii.Error, UnicodeDecodeError):
            return False
    elif scheme.lower() != "bearer":
        return False
    return hmac.compare_digest(given.encode(), password.encode())


class _Server(ThreadingMixIn, WSGIServer):
    """A thread for each reader: a slow one keeps nobody waiting."""

    daemon_threads = True

    def server_bind(self) -> None:
        """Bind, and ask no name server who we are: it may be away."""
        TCPServer.server_bind(self)
        self.server_name, self.server_port = str(self.server_address[0]), self.server_address[1]
        self.setup_environ()


class _Server6(_Server):
    """The same over IPv6."""

    address_family = socket.AF_INET6


class _Quiet(WSGIRequestHandler):
    """Logs no call: there is one every few seconds."""

    timeout = SLOWEST

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 -- the library's name
        """Say nothing."""


@contextmanager
def serving(
    registry: CollectorRegistry,
    host: str,
    ports: Iterable[int],
    password: str | None,
) -> Generator[str]:
    """Serve in threads of this process for the length of a block, at the first free one of these ports. Gives the URL.

    Raises SettingsError where none can be had, or where strangers could read.
    """
    server = _bound(host, ports, password)
    server.set_app(application(registry, password))
    thread = threading.Thread(target=server.serve_forever, name="swapline-metrics", daemon=True)
    thread.start()
    try:
        name = f"[{host}]" if ":" in host else host
        yield f"http://{name}:{server.server_port}/metrics"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _bound(host: str, ports: Iterable[int], password: str | None) -> WSGIServer:
    check_exposure(host, password)
    kind = _Server6 if ":" in host else _Server
    tried: dict[int, OSError] = {}
    for port in ports:
        try:
            return kind((host, port), _Quiet)
        except OSError as error:
            tried[port] = error
    why = "; ".join(f"{port}: {error.strerror or error}" for port, error in tried.items())
    raise SettingsError(f"Metrics cannot be served at {host} ({why}); choose another port.")
