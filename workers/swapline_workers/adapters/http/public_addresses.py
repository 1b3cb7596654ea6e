"""Connections to public addresses only, however a URL spells its host.

A name is resolved once, and a checked address connected to. An egress proxy has its own rules.
"""

from __future__ import annotations

import ipaddress
import queue
import socket
import threading
from typing import TYPE_CHECKING, ClassVar

from swapline_producer.webhooks.addresses import forbidden_reason
from swapline_workers.adapters.http.connections.timed import Address, DeadlineHTTPConnection, DeadlineHTTPSConnection
from swapline_workers.adapters.http.deadline import DeadlineAdapter, DeadlineHTTPPool, DeadlineHTTPSPool
from swapline_workers.errors import WebhookForbidden

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from urllib3.connectionpool import HTTPConnectionPool

RESOLVE_TIMEOUT = 5.0
"""Seconds: getaddrinfo cannot be interrupted; a hostile name server delays it for 30."""


def resolve(host: str, port: int | None, ask: Callable[..., Sequence[Address]] | None = None) -> Sequence[Address]:
    """Resolve a name in RESOLVE_TIMEOUT. Raises socket.gaierror, UnicodeError.

    A slower lookup goes on in its thread.
    """
    if _is_address(host):
        return (ask or socket.getaddrinfo)(host, port, type=socket.SOCK_STREAM)
    answers: queue.SimpleQueue[Sequence[Address] | Exception] = queue.SimpleQueue()

    def lookup() -> None:
        try:
            answers.put((ask or socket.getaddrinfo)(host, port, type=socket.SOCK_STREAM))
        except Exception as error:  # noqa: BLE001 -- raised again below, in the thread that asked
            answers.put(error)

    threading.Thread(target=lookup, name="swapline-lookup", daemon=True).start()
    try:
        answer = answers.get(timeout=RESOLVE_TIMEOUT)
    except queue.Empty:
        raise socket.gaierror(socket.EAI_AGAIN, f"no answer within {RESOLVE_TIMEOUT:g} s") from None
    if isinstance(answer, Exception):
        raise answer
    return answer


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def checked(host: str, answers: Sequence[Address]) -> Sequence[Address]:
    """Return the addresses if all are public. Raises WebhookForbidden."""
    for *_, where in answers:
        if reason := forbidden_reason(str(where[0])):
            raise WebhookForbidden(
                f"The webhook's host {host} leads to {where[0]}, which is not public ({reason}); give a public "
                "receiver, or set SWAPLINE_WEBHOOK_ALLOW_PRIVATE=true for development.",
            )
    return answers


class _AnyHTTPConnection(DeadlineHTTPConnection):
    def addresses(self) -> Sequence[Address]:
        return resolve(self._dns_host, self.port)


class _AnyHTTPSConnection(DeadlineHTTPSConnection):
    def addresses(self) -> Sequence[Address]:
        return resolve(self._dns_host, self.port)


class _PublicHTTPConnection(DeadlineHTTPConnection):
    def addresses(self) -> Sequence[Address]:
        return checked(self.host, resolve(self._dns_host, self.port))


class _PublicHTTPSConnection(DeadlineHTTPSConnection):
    def addresses(self) -> Sequence[Address]:
        return checked(self.host, resolve(self._dns_host, self.port))

    def check_target(self) -> None:
        self.addresses()  # the proxy resolves the name again: it must have such rules of its own


class _AnyHTTPPool(DeadlineHTTPPool):
    ConnectionCls = _AnyHTTPConnection


class _AnyHTTPSPool(DeadlineHTTPSPool):
    ConnectionCls = _AnyHTTPSConnection


class _PublicHTTPPool(DeadlineHTTPPool):
    ConnectionCls = _PublicHTTPConnection


class _PublicHTTPSPool(DeadlineHTTPSPool):
    ConnectionCls = _PublicHTTPSConnection


class AnyAdapter(DeadlineAdapter):
    """The transport for development: all addresses are allowed."""

    pools: ClassVar[dict[str, type[HTTPConnectionPool]]] = {"http": _AnyHTTPPool, "https": _AnyHTTPSPool}


class PublicAdapter(DeadlineAdapter):
    """The transport to public addresses only."""

    pools: ClassVar[dict[str, type[HTTPConnectionPool]]] = {"http": _PublicHTTPPool, "https": _PublicHTTPSPool}
