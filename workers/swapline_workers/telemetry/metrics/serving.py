"""Metrics over HTTP: /metrics, behind a password if there is one, and /healthz for probes."""

from __future__ import annotations

import base64
import binascii
import hmac
import ipaddress
import socket
import threading
from contextlib import contextmanager, suppress
from http import HTTPStatus
from socketserver import TCPServer, ThreadingMixIn
from typing import TYPE_CHECKING
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer

from prometheus_client import make_wsgi_app

from swapline_producer.errors import SettingsError
from swapline_workers.web.throttle import LoginThrottle, network_of

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable
    from typing import Any
    from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

    from prometheus_client import CollectorRegistry

USER = "metrics"
"""User name in what people are shown: only the password is compared."""

SLOWEST = 15
"""Seconds for one scrape: Prometheus scrapes every 15."""

READERS = 16
"""Connections: a worker needs its files and threads for jobs."""


def check_exposure(host: str, password: str | None) -> None:
    """Raise SettingsError for an address beyond loopback without a password."""
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
    """Return the app: /metrics, and /healthz without a password."""
    metrics, check = make_wsgi_app(registry), _PasswordCheck(password)

    def pages(environ: WSGIEnvironment, start: StartResponse) -> Iterable[bytes]:
        if environ["PATH_INFO"] in {"/", "/metrics"}:
            refused = check.refusal(environ.get("HTTP_AUTHORIZATION", ""), environ.get("REMOTE_ADDR", ""))
            if refused is not None:
                return _answer(start, *refused)
        match environ["PATH_INFO"]:
            case "/healthz":
                return _answer(start, HTTPStatus.OK, "ok")
            case "/metrics":
                found: Iterable[bytes] = metrics(environ, start)
                return found
            case "/":
                return _answer(start, HTTPStatus.FOUND, "See /metrics.")
        return _answer(start, HTTPStatus.NOT_FOUND, "There are /metrics and /healthz.")

    return pages


def _answer(start: StartResponse, status: HTTPStatus, sentence: str) -> list[bytes]:
    headers = [("Content-Type", "text/plain; charset=utf-8"), ("Cache-Control", "no-store")]
    if status is HTTPStatus.UNAUTHORIZED:
        headers.append(("WWW-Authenticate", 'Basic realm="swapline metrics", charset="UTF-8"'))
    if status is HTTPStatus.FOUND:
        headers.append(("Location", "/metrics"))
    start(f"{status.value} {status.phrase}", headers)
    return [f"{sentence}\n".encode()]


class _PasswordCheck:
    def __init__(self, password: str | None) -> None:
        self._password = password
        self._throttle = LoginThrottle()
        self._lock = threading.Lock()

    def refusal(self, header: str, address: str) -> tuple[HTTPStatus, str] | None:
        with self._lock:
            account = network_of(address)
            wait = self._throttle.wait(account) if header else 0
            if wait:
                sentence = f"Too many wrong passwords came from your address. Try again in {wait} s."
                return HTTPStatus.TOO_MANY_REQUESTS, sentence
            if _may_read(header, self._password):
                return None
            if header:
                self._throttle.note(account)
        return HTTPStatus.UNAUTHORIZED, f"These metrics need a password; the user is {USER}."


def _may_read(header: str, password: str | None) -> bool:
    """Whether a header has the password: Basic with any user, or Bearer."""
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
    """One thread per connection; beyond READERS, the oldest is closed."""

    daemon_threads = True
    request_queue_size = 512  # the default, five, is a few simultaneous connections

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._readers: list[socket.socket] = []
        self._lock = threading.Lock()

    def process_request(self, request: socket.socket, client_address: Any) -> None:  # type: ignore[override]  # TCP
        with self._lock:
            self._readers.append(request)
            if len(self._readers) > READERS:
                with suppress(OSError):  # it may have gone just now
                    self._readers[0].shutdown(socket.SHUT_RDWR)  # its thread closes it
                del self._readers[0]
        super().process_request(request, client_address)

    def shutdown_request(self, request: socket.socket) -> None:  # type: ignore[override]  # TCP
        with self._lock, suppress(ValueError):
            self._readers.remove(request)
        super().shutdown_request(request)

    def server_bind(self) -> None:
        """Ask no name server, which may be away."""
        TCPServer.server_bind(self)
        self.server_name, self.server_port = str(self.server_address[0]), self.server_address[1]
        self.setup_environ()


class _Server6(_Server):
    address_family = socket.AF_INET6


class _Quiet(WSGIRequestHandler):
    """Logs no request."""

    timeout = SLOWEST

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 -- the library's name
        """Do nothing."""


@contextmanager
def serving(
    registry: CollectorRegistry,
    host: str,
    ports: Iterable[int],
    password: str | None,
) -> Generator[str]:
    """Serve at the first free port for a block; yield the URL. Raises SettingsError."""
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
