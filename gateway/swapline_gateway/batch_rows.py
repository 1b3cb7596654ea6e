"""Rows of NDJSON in, a line for each row out."""

from __future__ import annotations

import asyncio
from collections import deque
from queue import Queue
from tempfile import SpooledTemporaryFile
from typing import TYPE_CHECKING, Any

import orjson
from fastapi import Request, Response

from swapline_gateway.bodies import IN_MEMORY, bounded
from swapline_gateway.schema import problems
from swapline_gateway.schema.problems import Problem
from swapline_gateway.schema.requests import NOT_IN_A_BODY
from swapline_producer.errors import RequestError, SwaplineError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from starlette.types import Receive, Scope, Send

    from swapline_gateway.access import Caller
    from swapline_producer.client.batches.bulk import Result

BYTES_AHEAD = 1_000_000
"""Of rows that have come and are not enqueued yet: more are not read."""

LONGEST_BATCH = 1 << 50
"""Bytes of all rows: there is no limit but on each of them."""

Row = dict[str, Any] | SwaplineError


class Answers(Response):
    """Sends while the body is read. Starlette's own stream reads the body itself, to find out whether the peer left."""

    media_type = "application/x-ndjson"

    def __init__(self, lines: AsyncIterator[bytes]) -> None:
        """Send nothing yet."""
        super().__init__(headers={"X-Accel-Buffering": "no"})
        del self.headers["Content-Length"]
        self._lines = lines

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002 -- ASGI's shape
        """Send all lines."""
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        async for line in self._lines:
            await send({"type": "http.response.body", "body": line, "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})


class BatchRows:
    """One batch on its way: rows are read, enqueued in a thread, and answered from a file that may grow.

    So a sender that reads no answer before it has sent everything waits for nothing.
    """

    def __init__(self, caller: Caller, batch: str, request: Request) -> None:
        """Read nothing yet."""
        self._caller, self._batch, self._request = caller, batch, request
        self._loop = asyncio.get_running_loop()
        self._rows: Queue[tuple[Row, int] | None] = Queue()
        self._ahead = 0
        self._room = asyncio.Event()
        self._file = SpooledTemporaryFile(max_size=IN_MEMORY)  # noqa: SIM115 -- `answers` closes it
        self._written = asyncio.Event()
        self._counts = {"rows": 0, "enqueued": 0, "refused": 0}

    async def answers(self) -> AsyncIterator[bytes]:
        """Yield a line for each row as it is enqueued, and at last one with the counts."""
        reading = asyncio.ensure_future(self._read())
        enqueuing = asyncio.ensure_future(self._caller.service.call_with_picture(self._enqueue))
        place = 0
        try:
            while True:
                self._written.clear()
                done = enqueuing.done()
                self._file.seek(place)
                data = self._file.read(IN_MEMORY)
                place += len(data)
                if data:
                    yield data
                elif done:
                    break
                else:
                    waiting = asyncio.ensure_future(self._written.wait())
                    await asyncio.wait({waiting, enqueuing}, return_when=asyncio.FIRST_COMPLETED)
                    waiting.cancel()
            await enqueuing
            problem = await reading
            yield _json_line({"batch": self._batch, **self._counts, **({"problem": problem} if problem else {})})
        finally:
            reading.cancel()
            self._rows.put(None)
            self._file.close()

    async def _read(self) -> dict[str, Any] | None:
        """Read rows until the body ends; what ended it else."""
        limit, left, number = self._caller.max_body, b"", 0
        try:
            async for chunk in bounded(self._request, LONGEST_BATCH):
                *lines, left = (left + chunk).split(b"\n")
                for line in lines:
                    number = await self._put(number, line)
                if len(left) > limit:
                    return problems.body_of(RequestError(f"row {number + 1} has over {limit:,} bytes", field="row"))
            await self._put(number, left)
        except Problem as error:
            return problems.body_of(error)
        finally:
            self._rows.put(None)
        return None

    async def _put(self, number: int, line: bytes) -> int:
        """Hand a line over once there is room for it; return the number of rows so far. An empty one is no row."""
        if not line.strip():
            return number
        while self._ahead > BYTES_AHEAD:
            self._room.clear()
            await self._room.wait()
        self._ahead += len(line)
        self._rows.put((self._row(number + 1, line), len(line)))
        return number + 1

    def _row(self, number: int, line: bytes) -> Row:
        try:
            values = orjson.loads(line)
        except ValueError as error:
            return RequestError(f"it is not JSON: {error}", field="row")
        if not isinstance(values, dict):
            return RequestError("it is not a JSON object", field="row")
        for name in (*NOT_IN_A_BODY, "batch"):
            if name in values and name != "idempotency_key":
                return RequestError(f"{name}: it is not a row's; leave it out", field=name)
        key = f"batch:{self._batch}:{number}"  # as a manifest's row has it
        return {"idempotency_key": key, **values, "tenant": self._caller.tenant, "batch": self._batch}

    def _enqueue(self) -> None:
        """Enqueue rows as they come, in a thread; answer all in order."""
        refused: deque[tuple[int, SwaplineError]] = deque()
        numbers: deque[int] = deque()
        for result in self._caller.service.producer.enqueue_many(self._good(refused, numbers)):
            number = numbers.popleft()
            while refused and refused[0][0] < number:
                self._answer(*refused.popleft())
            self._answer(number, result)
        for number, error in refused:
            self._answer(number, error)

    def _good(self, refused: deque[tuple[int, SwaplineError]], numbers: deque[int]) -> Iterator[dict[str, Any]]:
        while (found := self._rows.get()) is not None:
            row, length = found
            self._loop.call_soon_threadsafe(self._taken, length)
            self._counts["rows"] += 1
            if isinstance(row, SwaplineError):
                refused.append((self._counts["rows"], row))
            else:
                numbers.append(self._counts["rows"])
                yield row

    def _taken(self, length: int) -> None:
        self._ahead -= length
        self._room.set()

    def _answer(self, number: int, result: Result | SwaplineError) -> None:
        error = result if isinstance(result, SwaplineError) else result.error
        self._counts["refused" if error else "enqueued"] += 1
        if error is not None or isinstance(result, SwaplineError):
            line = {"row": number, "problem": problems.body_of(error or result)}  # type: ignore[arg-type]  # one is an error
        else:
            line = {"row": number, "id": result.job_id, "created": result.created}
        self._loop.call_soon_threadsafe(self._write, _json_line(line))

    def _write(self, line: bytes) -> None:
        if not self._file.closed:
            self._file.seek(0, 2)
            self._file.write(line)
            self._written.set()


def _json_line(value: dict[str, Any]) -> bytes:
    return orjson.dumps(value, option=orjson.OPT_APPEND_NEWLINE)
