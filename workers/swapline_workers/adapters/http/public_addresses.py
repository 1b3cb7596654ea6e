"""Connections that lead to public addresses only, however a URL spells its host and whatever its name resolves to.

A name is resolved once, every address it gives is checked, and the connection is made to an address that was checked:
there is no second look-up in between that could answer otherwise. The URL is not rewritten, so SNI, certificate and
kept-alive connections stay right. An egress proxy resolves the name once more, by rules of its own.
"""

from __future__ import annotations

import ipaddress
import queue
import socket
import threading
from typing import TYPE_CHECKING, ClassVar

from swapline_producer.webhooks.addresses import forbidden_reason
from swapline_workers.adapters.http.deadline import (
    Address,
    DeadlineAdapter,
    DeadlineHTTPConnection,
    DeadlineHTTPPool,
    DeadlineHTTPSConnection,
    DeadlineHTTPSPool,
)
from swapline_workers.errors import WebhookForbidden

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from urllib3.connectionpool import HTTPConnectionPool

RESOLVE_TIMEOUT = 5.0
"""Seconds for a look-up. getaddrinfo cannot be interrupted, and a hostile name server can hold it for half a minute."""


def resolve(host: str, port: int | None, ask: Callable[..., Sequence[Address]] | None = None) -> Sequence[Address]:
    """Look a name up, for RESOLVE_TIMEOUT at most. Raises socket.gaierror, UnicodeError.

    A look-up that takes longer is left behind in its thread, which ends when the system's resolver gives up. A host
    that is an address in its usual spelling asks nobody, so it needs no thread.
    """
    if _is_address(host):
        return (ask or socket.getaddrinfo)(host, port, type=socket.SOCK_STREAM)
    answers: queue.SimpleQueue[Sequence[Address] | Exception] = queue.SimpleQueue()

    def look_up() -> None:
        try:
            answers.put((ask or socket.getaddrinfo)(host, port, type=socket.SOCK_STREAM))
        except Exception as error:  # noqa: BLE001 -- raised again below, in the thread that asked
            answers.put(error)

    threading.Thread(target=look_up, name="swapline-look-up", daemon=True).start()
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
    """Give the addresses back if all are public. Raises WebhookForbidden: one that is not spoils the others."""
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
        self.addresses()  # the proxy resolves the name once more: it must have such rules of its own


class _AnyHTTPPool(DeadlineHTTPPool):
    ConnectionCls = _AnyHTTPConnection


class _AnyHTTPSPool(DeadlineHTTPSPool):
    ConnectionCls = _AnyHTTPSConnection


class _PublicHTTPPool(DeadlineHTTPPool):
    ConnectionCls = _PublicHTTPConnection


class _PublicHTTPSPool(DeadlineHTTPSPool):
    ConnectionCls = _PublicHTTPSConnection


class AnyAdapter(DeadlineAdapter):
    """The transport for development: every address goes."""

    pools: ClassVar[dict[str, type[HTTPConnectionPool]]] = {"http": _AnyHTTPPool, "https": _AnyHTTPSPool}


class PublicAdapter(DeadlineAdapter):
    """The transport that opens no socket to an address that is not public."""

    pools: ClassVar[dict[str, type[HTTPConnectionPool]]] = {"http": _PublicHTTPPool, "https": _PublicHTTPSPool}
