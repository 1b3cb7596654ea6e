"""Read the next jobs' inputs in a thread before their slots are free: a slot that waits is idle."""

from __future__ import annotations

import logging
import threading
import time
from collections import OrderedDict
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from swapline_producer.contract import LinkedImage
from swapline_producer.errors import SwaplineError
from swapline_workers.adapters.pictures import PictureStore

if TYPE_CHECKING:
    from collections.abc import Callable

    from swapline_producer.contract import ImageRef, JobSpec
    from swapline_producer.storage import Storage

log = logging.getLogger(__name__)

FRONT = 3
"""Jobs: the slots of the basic plan."""

KEPT = 2 * FRONT
"""Encoded inputs: 80 MB of the largest, 2 MB of usual."""

PAUSE = 0.1
"""Seconds: with hundreds of slots, each submission reads its own input."""


class ReadAhead(PictureStore):
    """The port `Pictures`, with the next inputs in memory."""

    def __init__(
        self,
        storage: Storage,
        front: Callable[[int], list[ImageRef]],
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`front` returns the next jobs' inputs, in a thread."""
        super().__init__(storage)
        self._front = front
        self._kept: OrderedDict[str, str] = OrderedDict()
        self._clock = clock
        self._again_at = 0.0
        self._lock = threading.Lock()
        self._reading = threading.Lock()
        self._reader = ThreadPoolExecutor(1, thread_name_prefix="swapline-read-ahead")

    def input_text(self, spec: JobSpec) -> str:
        """See `Pictures.input_text`; begin to read the next ones."""
        text = self._kept_text(spec.image)
        if text is None:
            text = super().input_text(spec)
        if not self._reading.locked() and self._clock() >= self._again_at:  # one reading at a time
            self._again_at = self._clock() + PAUSE
            self._reader.submit(self._read_front)
        return text

    def _kept_text(self, image: ImageRef) -> str | None:
        if isinstance(image, LinkedImage):
            return None
        with self._lock:
            return self._kept.get(image.sha256)

    def _read_front(self) -> None:
        with self._reading:
            try:
                for image in self._front(FRONT):
                    if not isinstance(image, LinkedImage) and self._kept_text(image) is None:
                        self._keep(image.sha256, self.encoded(image))
            except SwaplineError as error:
                log.info("the next inputs could not be read ahead: %s", error)  # they are read when they are needed

    def _keep(self, sha256: str, text: str) -> None:
        with self._lock:
            self._kept[sha256] = text
            while len(self._kept) > KEPT:
                self._kept.popitem(last=False)
