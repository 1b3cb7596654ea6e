"""A TCP proxy that misbehaves on request: between a worker and the vendor, Redis, or a webhook's receiver.

It knows nothing of HTTP or of Redis' protocol: a *request* is what a client sends, and an order may be limited to
requests that contain some bytes. All proxies of one `Proxies` live in one event loop in a thread of its own.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
import time
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Self

from swapline_workers.local.ports import LOOPBACK, free_port

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from typing import Any

PIECE = 65_536
"""Bytes that are passed on at once: a whole small picture, so that a fault falls between few pieces."""
PIECE_SHOWN = 60
"""Bytes of a request that are written down: its first line."""
DROP = 64
"""Bytes of a drop when a reply drips."""
DROPS = 40
"""Drops in which a piece comes at most: its end comes with the last one."""


class Fault(StrEnum):
    """What can happen to a connection."""

    LATENCY = "latency"
    """Each piece of a reply comes late."""
    REFUSE = "refuse"
    """The port is closed, and open connections break."""
    CUT_BEFORE = "cut before the request arrives"
    CUT_AFTER = "request arrived, reply lost"
    CUT_REPLY = "cut in the middle of the reply"
    HALF_CLOSE = "half-close"
    """The request arrives; the client hears at once that nothing more will be sent, and the connection stays open."""
    SILENCE = "silence"
    """Nothing passes and nothing is closed: a half-open connection."""
    DRIP = "drip"
    HOLD = "hold"
    """The request arrives, its reply is kept back until `release`."""


@dataclass
class Order:
    """One fault: for `times` requests that contain `match`, or until it is lifted (None)."""

    fault: Fault
    match: bytes = b""
    times: int | None = None
    amount: float = 0.2
    """Seconds: of latency for each piece, of a whole drip."""
    replied: threading.Event = field(default_factory=threading.Event)
    """HOLD: the reply is here, so the request has been taken."""
    over: asyncio.Event = field(default_factory=asyncio.Event)


class Proxies:
    """The event loop of all proxies, as a context manager. `record` is called with each request hit by a fault."""

    def __init__(self, record: Callable[[dict[str, object]], None] = lambda _fact: None) -> None:
        self.record = record
        self._all: list[Proxy] = []
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self.loop.run_forever, name="proxies", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.wait_for(self._end())
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join()
        self.loop.close()

    def between(self, name: str, port: int) -> Proxy:
        """Listen on a port of its own in front of `port` on this machine."""
        proxy = Proxy(self, name, port)
        self._all.append(proxy)
        self.wait_for(proxy.listen())
        return proxy

    def wait_for(self, work: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(work, self.loop).result(10)

    async def _end(self) -> None:
        for proxy in self._all:
            proxy.close()
        others = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)


class Proxy:
    """One proxy. Orders may come from any thread."""

    def __init__(self, proxies: Proxies, name: str, upstream: int) -> None:
        self.name, self.upstream, self.port = name, upstream, 0
        self.orders: list[Order] = []
        self._proxies = proxies
        self._wires: set[_Wire] = set()
        self._visits: set[asyncio.Future[None]] = set()
        self._basic_auth: socket.socket | None = None

    async def listen(self) -> None:
        self.port = self.port or free_port()
        self._basic_auth = socket.create_server((LOOPBACK, self.port))
        self._basic_auth.settimeout(0)
        asyncio.get_running_loop().add_reader(self._basic_auth, self._let_in, self._basic_auth)

    def _let_in(self, basic_auth: socket.socket) -> None:
        # asyncio's own server leaves a connection open and unanswered that comes in while the server is being closed
        connection, _ = basic_auth.accept()
        visit = asyncio.ensure_future(self._accept(connection))
        self._visits.add(visit)
        visit.add_done_callback(self._visits.discard)
        visit.add_done_callback(lambda _: connection.close())

    def close(self) -> None:
        """Listen no more."""
        if self._basic_auth is not None:
            self._proxies.loop.remove_reader(self._basic_auth)
            self._basic_auth.close()
            self._basic_auth = None

    def order(self, fault: Fault, match: bytes = b"", times: int | None = None, amount: float = 0.2) -> Order:
        """Misbehave from now on, for `times` requests or until `lift`."""
        order = Order(fault, match, times, amount)
        self._proxies.wait_for(self._place(order))
        return order

    def lift(self, order: Order) -> None:
        """End one order; a reply that was held goes out."""
        self._proxies.wait_for(self._lift(order))

    def end_faults(self) -> None:
        """End all orders."""
        for order in list(self.orders):
            self.lift(order)

    def applies(self, piece: bytes) -> Order | None:
        """The order for a request, counted as used."""
        order = next((one for one in self.orders if one.match in piece), None)
        if order is not None and order.times is not None:
            order.times -= 1
            if order.times <= 0:
                self.orders.remove(order)
        return order

    async def silence(self) -> None:
        """Wait while the whole link is silent, whatever was asked before."""
        for order in [one for one in self.orders if one.fault is Fault.SILENCE and not one.match]:
            await order.over.wait()

    def hit(self, order: Order, piece: bytes) -> None:
        """Have it written down that a fault has met a request."""
        first = piece[:PIECE_SHOWN].split(b"\r\n")[0].decode(errors="replace") if self.name != "redis" else ""
        fact = {"at": time.time_ns() // 1_000_000, "link": self.name, "fault": order.fault, "request": first}
        self._proxies.record(fact)

    async def _place(self, order: Order) -> None:
        self.orders.append(order)
        if order.fault is Fault.REFUSE:
            self.close()
            # A request that was sent and not read yet is lost as well: here, or in a connection not accepted yet.
            self.hit(order, b"whatever was not read yet")
            for wire in list(self._wires):
                if wire.asks:
                    self.hit(order, wire.asks)
                wire.break_off()

    async def _lift(self, order: Order) -> None:
        order.over.set()
        if order in self.orders:
            self.orders.remove(order)
        if order.fault is Fault.REFUSE and not any(one.fault is Fault.REFUSE for one in self.orders):
            await self.listen()

    async def _accept(self, connection: socket.socket) -> None:
        reader, writer = await asyncio.open_connection(sock=connection)
        wire = _Wire(self, reader, writer)
        self._wires.add(wire)
        try:
            await wire.run()
        finally:
            wire.break_off()
            self._wires.discard(wire)


class _Wire:
    """One connection through a proxy."""

    def __init__(self, proxy: Proxy, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._proxy, self._reader, self._writer = proxy, reader, writer
        self._far: asyncio.StreamWriter | None = None
        self._order: Order | None = None
        self._answered = False
        self.asks = b""
        """The beginning of what it was asked last, while there is no answer."""

    def break_off(self) -> None:
        """Abort both ends."""
        for writer in (self._writer, self._far):
            if writer is not None:
                writer.transport.abort()

    async def run(self) -> None:
        """Pass everything on, both ways, until one side ends."""
        if any(order.fault is Fault.REFUSE for order in self._proxy.orders):
            return  # it came in at the very moment
        with contextlib.suppress(OSError):
            far_reader, self._far = await asyncio.open_connection(LOOPBACK, self._proxy.upstream)
            ways = {asyncio.ensure_future(self._requests(self._far)), asyncio.ensure_future(self._replies(far_reader))}
            try:
                await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for way in ways:
                    way.cancel()
                await asyncio.gather(*ways, return_exceptions=True)

    async def _requests(self, far: asyncio.StreamWriter) -> None:
        while piece := await self._reader.read(PIECE):
            order = self._ordered(piece)
            self.asks = piece[:PIECE_SHOWN]
            if order is not None and order.fault is Fault.CUT_BEFORE:
                return
            if order is not None and order.fault is Fault.SILENCE:
                await order.over.wait()
            far.write(piece)
            await far.drain()
            if order is not None and order.fault is Fault.HALF_CLOSE and self._writer.can_write_eof():
                self._writer.write_eof()

    def _ordered(self, piece: bytes) -> Order | None:
        """The order that holds for a piece of a request: its own, or that of the request it belongs to."""
        order = self._proxy.applies(piece)
        if order is not None and order is not self._order:
            self._proxy.hit(order, piece)
        if order is not None or self._answered:
            self._order, self._answered = order, False
        return self._order

    async def _replies(self, far: asyncio.StreamReader) -> None:
        while piece := await far.read(PIECE):
            self._answered, self.asks = True, b""
            await self._proxy.silence()
            order = self._order
            if order is None:
                await self._pass(piece)
            elif order.fault is Fault.CUT_AFTER:
                return
            elif order.fault is Fault.CUT_REPLY:
                await self._pass(piece[: len(piece) // 2])
                return
            elif order.fault is not Fault.HALF_CLOSE:  # there the client knows that nothing will come
                await self._pass_under(order, piece)

    async def _pass_under(self, order: Order, piece: bytes) -> None:
        """Pass a reply on late, in drops, or not yet."""
        if order.fault is Fault.LATENCY:
            await asyncio.sleep(order.amount)
        elif order.fault is Fault.DRIP:
            for start in range(0, min(len(piece), DROP * DROPS), DROP):
                await self._pass(piece[start : start + DROP])
                await asyncio.sleep(order.amount / DROPS)
            piece = piece[DROP * DROPS :]
        elif order.fault is Fault.HOLD:
            order.replied.set()
            await order.over.wait()
        await self._pass(piece)

    async def _pass(self, piece: bytes) -> None:
        self._writer.write(piece)
        await self._writer.drain()
