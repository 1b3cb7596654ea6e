"""Two servers behind one address, as a Service, a DNS name, a virtual IP or HAProxy has them, and its fail-over.

Connections that are open when the address moves stay with the server that they have, as they do there.
"""

from __future__ import annotations

import socket
import textwrap
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import redis

from chaos.proxy import Proxies, Proxy
from support.redis.fixtures import waited_for
from swapline_workers.local.ports import LOOPBACK
from swapline_workers.local.valkey.server import EmbeddedValkey

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

    import pytest

PASSWORD = "shared"
NAME = "primary.redis.test"


@dataclass
class OneAddress:
    """A primary and its replica; the proxy leads to the primary."""

    primary: EmbeddedValkey
    replica: EmbeddedValkey
    proxy: Proxy

    @property
    def url(self) -> str:
        """The address that clients know."""
        return f"redis://:{PASSWORD}@{LOOPBACK}:{self.proxy.port}/0"

    def fail_over(self) -> None:
        """Promote the replica, with all that the primary has, and let the address lead to it."""
        self.promote()
        self.move()

    def promote(self) -> None:
        """Have the servers change their parts; the address still leads where it led."""
        with admin(self.primary) as old, admin(self.replica) as new:
            old.execute_command("FAILOVER")
            waited_for(lambda: new.role()[0] == b"master")
        self.primary, self.replica = self.replica, self.primary

    def move(self) -> None:
        """Let the address lead to the primary."""
        self.proxy.upstream = self.primary.port

    def part(self) -> None:
        """Cut the replica off: what is written to the primary does not reach it any more, and it answers readers."""
        with admin(self.replica) as alone:
            alone.replicaof(LOOPBACK, "1")  # no server listens there


@dataclass
class OneName(OneAddress):
    """The same without a proxy: a name that is resolved to the primary (see `resolving`)."""

    file: Path

    @property
    def url(self) -> str:
        """The name that clients know."""
        return f"redis://:{PASSWORD}@{NAME}:6379/0"

    def move(self) -> None:
        """Change what the name is resolved to."""
        self.file.write_text(str(self.primary.port))


RESOLVER = f"""
    import pathlib, socket

    real, file = socket.getaddrinfo, pathlib.Path({{file!r}})

    def getaddrinfo(host, port, *more, **options):
        found = (host, port) if host != {NAME!r} else ("{LOOPBACK}", int(file.read_text()))
        return real(*found, *more, **options)

    socket.getaddrinfo = getaddrinfo
"""


def resolving(name: OneName, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """Have the name resolved in this process, and in others that get the environment that is given."""
    site = name.file.parent / "site"
    site.mkdir()
    text = textwrap.dedent(RESOLVER).format(file=str(name.file))
    (site / "sitecustomize.py").write_text(text)
    monkeypatch.setattr(socket, "getaddrinfo", socket.getaddrinfo)  # put back afterwards
    exec(text, {})  # noqa: S102 -- our own text, from above
    return {"PYTHONPATH": str(site)}


def admin(server: EmbeddedValkey) -> redis.Redis:
    """A client for one server, past the address."""
    return redis.Redis.from_url(server.url)


@contextmanager
def two_servers(folder: Path) -> Generator[tuple[EmbeddedValkey, EmbeddedValkey]]:
    """Run a primary and a replica that has everything."""
    how: dict[str, Any] = {"password": PASSWORD, "appendfsync": "no"}
    with EmbeddedValkey(folder / "first", **how) as first, EmbeddedValkey(folder / "second", **how) as second:
        for server in (first, second):
            with admin(server) as client:
                client.config_set("masterauth", PASSWORD)
                client.config_set("repl-diskless-sync-delay", "0")
        with admin(second) as client:
            client.replicaof(LOOPBACK, str(first.port))
            waited_for(lambda: client.info("replication").get("master_link_status") == "up")
        yield first, second


@contextmanager
def one_address(folder: Path) -> Generator[OneAddress]:
    """Run both behind a proxy."""
    with two_servers(folder) as (first, second), Proxies() as proxies:
        yield OneAddress(first, second, proxies.between("redis", first.port))
