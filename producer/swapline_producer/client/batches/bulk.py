"""Many jobs at a time, in flat memory."""

from __future__ import annotations

import time
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, TypeVar

from swapline_producer.contract import Step, StepMessage
from swapline_producer.errors import LedgerUnavailable, RequestError, SwaplineError

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Iterator

    from swapline_producer.client.inputs.acceptance import Acceptance, Draft
    from swapline_producer.contract.answers import Accepted
    from swapline_producer.messaging.publisher import Publisher

    Prepared = Draft | SwaplineError

Item = TypeVar("Item")

CHUNK = 500
"""Jobs in one pipeline: others wait for it at most 30 ms."""

OLDEST = 1.0
"""Seconds that a chunk waits for a slow iterable."""

PICTURES = 8
"""In memory at once, on their way to the store."""

STORED_BYTES = 8_000_000
"""Stored pictures in memory until their jobs are accepted: one may have been deleted meanwhile."""


@dataclass(frozen=True, slots=True)
class Result:
    """One item's job, or error. `index` counts the items from 0.

    `created`: not found by its idempotency key.
    """

    index: int
    job_id: str | None = None
    created: bool = False
    error: SwaplineError | None = None


class Bulk(Generic[Item]):
    """Takes items, and answers in the same order.

    `prepare` stores an item's picture and makes its draft, or raises; `is_quick`: without a picture.
    """

    def __init__(
        self,
        acceptance: Acceptance,
        publisher: Publisher,
        prepare: Callable[[Item], Draft],
        is_quick: Callable[[Item], bool],
    ) -> None:
        """Keep the parts."""
        self._acceptance = acceptance
        self._publisher = publisher
        self._prepare = prepare
        self._is_quick = is_quick

    def run(self, items: Iterable[Item]) -> Iterator[Result]:
        """Enqueue items. What the iterable raises comes after the results before it."""
        broken: list[Exception] = []
        first = 0
        for chunk in _chunks(self._prepared(_until_broken(items, broken))):
            yield from self._accept(chunk, first)
            first += len(chunk)
        if broken:
            raise broken[0]

    def _prepared(self, items: Iterable[Item]) -> Generator[Prepared]:
        under_way: deque[Future[Prepared] | Prepared] = deque()
        with ThreadPoolExecutor(PICTURES, thread_name_prefix="swapline-pictures") as pool:  # starts threads on need
            for item in items:
                quick = self._is_quick(item)
                under_way.append(self._try_prepare(item) if quick else pool.submit(self._try_prepare, item))
                del item  # its picture may be megabytes: nothing here keeps it
                while under_way and (len(under_way) >= PICTURES or not isinstance(under_way[0], Future)):
                    yield _value(under_way.popleft())
            while under_way:
                yield _value(under_way.popleft())

    def _try_prepare(self, item: Item) -> Prepared:
        try:
            return self._prepare(item)
        except SwaplineError as error:
            return error
        except Exception as error:  # noqa: BLE001 -- the item's own fault or ours: the others are enqueued all the same
            refused = RequestError(f"request: it raised {type(error).__name__}: {error}", field="request")
            refused.__cause__ = error
            return refused

    def _accept(self, chunk: list[Prepared], first: int) -> Iterator[Result]:
        drafts = [one for one in chunk if not isinstance(one, SwaplineError)]
        answers: list[Accepted | SwaplineError]
        try:
            answers = self._acceptance.accept_many(drafts) if drafts else []
        except LedgerUnavailable as error:
            answers = [error for _ in drafts]
        self._wake_a_worker(answers)
        left = iter(answers)
        for index, one in enumerate(chunk, first):
            yield _result(index, one if isinstance(one, SwaplineError) else next(left))

    def _wake_a_worker(self, answers: list[Accepted | SwaplineError]) -> None:
        """Send one message: the worker that reads it grants the free slots to the others."""
        new = next((one.job_id for one in answers if not isinstance(one, SwaplineError) and one.created), None)
        if new is not None:
            self._publisher.send([StepMessage(step=Step.SUBMIT, job_id=new, version=1)])


def _chunks(prepared: Iterable[Prepared]) -> Iterator[list[Prepared]]:
    chunk: list[Prepared] = []
    full_at, size = 0.0, 0
    for one in prepared:
        full_at, size = (full_at, size) if chunk else (time.monotonic() + OLDEST, 0)
        chunk.append(one)
        size += 0 if isinstance(one, SwaplineError) or one.input is None else len(one.input.data)
        if len(chunk) >= CHUNK or size >= STORED_BYTES or time.monotonic() >= full_at:
            yield chunk
            chunk = []
    if chunk:
        yield chunk


def _until_broken(items: Iterable[Item], broken: list[Exception]) -> Iterator[Item]:
    try:
        yield from items
    except Exception as error:  # noqa: BLE001 -- the caller's own; it is raised again after the results
        broken.append(error)


def _value(one: Future[Prepared] | Prepared) -> Prepared:
    return one if isinstance(one, (SwaplineError, tuple)) else one.result()


def _result(index: int, answer: Accepted | SwaplineError) -> Result:
    if isinstance(answer, SwaplineError):
        return Result(index, error=answer)
    return Result(index, job_id=answer.job_id, created=answer.created)
