"""A tunnel through the egress proxy, by CONNECT (RFC 9110, 9.3.6).

Its failures provably did not reach the vendor.
"""

from __future__ import annotations

import errno
import http.client
from http import HTTPStatus
from typing import TYPE_CHECKING

from swapline_workers.adapters.http.connections.watchdog import present
from swapline_workers.adapters.http.replies.unusual_reply import FinalReply

if TYPE_CHECKING:
    import socket

    from swapline_workers.proxy_address import ProxyAddress

SETTING = "SWAPLINE_HTTPS_PROXY"

TARGET_AWAY = frozenset({HTTPStatus.BAD_GATEWAY, HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.GATEWAY_TIMEOUT})

_ADVICE: dict[int, str] = {
    HTTPStatus.PROXY_AUTHENTICATION_REQUIRED: f"set its user and password in {SETTING}",
    HTTPStatus.FORBIDDEN: "its rules must admit that host and port",
    HTTPStatus.METHOD_NOT_ALLOWED: "its rules must admit CONNECT to that port",
    **dict.fromkeys(TARGET_AWAY, "it did not reach that host"),
}


class ProxyFailed(OSError):  # noqa: N818 -- it names what happened
    """`target_away`: the target's fault, not the proxy's."""

    def __init__(self, sentence: str, *, target_away: bool = False) -> None:
        """`sentence` says what to do."""
        super().__init__(errno.ECONNREFUSED, sentence)
        self.sentence = sentence
        self.target_away = target_away


def proxy_failure(error: BaseException) -> ProxyFailed | None:
    """Return the proxy's failure behind an error, or None."""
    link: BaseException | None = error
    while link is not None and not isinstance(link, ProxyFailed):
        link = link.__cause__ or link.__context__
    return link


def open_tunnel(sock: socket.socket, proxy: ProxyAddress, host: str, port: int) -> None:
    """Have the proxy at `sock` connect to a host. Raises ProxyFailed.

    A proxy that sends a byte after the reply's head is disconnected.
    """
    target = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    lines = [f"CONNECT {target} HTTP/1.1", f"Host: {target}", "User-Agent: swapline"]
    if proxy.authorization is not None:
        lines.append(f"Proxy-Authorization: {proxy.authorization}")
    try:
        sock.sendall("\r\n".join([*lines, "", ""]).encode("ascii"))
        status = _reply_status(sock)
    except (OSError, http.client.HTTPException) as error:
        raise _broken(error, proxy, target) from error
    if status // 100 != HTTPStatus.OK // 100:
        advice = _ADVICE.get(status, "see its log")
        sentence = f"the proxy {proxy} answered {status} to CONNECT {target}: {advice}"
        raise ProxyFailed(sentence, target_away=status in TARGET_AWAY)


def _broken(error: Exception, proxy: ProxyAddress, target: str) -> ProxyFailed:
    deadline = present()
    if isinstance(error, TimeoutError) or (deadline is not None and deadline.fired):
        return ProxyFailed(f"the proxy {proxy} did not answer CONNECT {target} in time", target_away=True)
    return ProxyFailed(f"the proxy {proxy} hung up or is no HTTP proxy; check {SETTING}")


def _reply_status(sock: socket.socket) -> int:
    reply = FinalReply(sock, method="CONNECT")
    try:
        reply.begin()
        return reply.status
    finally:
        reply.close()
