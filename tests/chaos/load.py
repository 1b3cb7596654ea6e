"""Those who give jobs: one after the other, each with a photograph of its own, whatever happens to Redis meanwhile."""

from __future__ import annotations

import hashlib
import io
import random
import threading
from typing import TYPE_CHECKING

from PIL import Image

from chaos.environment import now
from swapline_producer import SwapRequest
from swapline_producer.errors import LedgerUnavailable

if TYPE_CHECKING:
    from chaos.environment import Stage

SIDE = 8
"""Pixels of the random pattern: enough that no two results are alike."""
WITHOUT_WEBHOOK = 5
"""Every fifth job has no webhook."""


def photograph(seed: int, number: int) -> bytes:
    """A small PNG that no other job has, the same for the same seed."""
    rng = random.Random(f"{seed}/photograph/{number}")  # noqa: S311 -- it must be reproducible, not secret
    pattern = Image.frombytes("RGB", (SIDE, SIDE), rng.randbytes(SIDE * SIDE * 3))
    out = io.BytesIO()
    pattern.resize((SIDE * 8, SIDE * 8), Image.Resampling.NEAREST).save(out, "PNG")
    return out.getvalue()


class Load(threading.Thread):
    """Enqueues until it is stopped or has given all; every job that was accepted is in the evidence."""

    def __init__(self, stage: Stage, *, every: float = 1.0, most: int = 1_000_000) -> None:
        """One job each `every` seconds."""
        super().__init__(name="load", daemon=True)
        self._stage, self._every, self._most = stage, every, most
        self._record = stage.record("accepted")
        self._enough = threading.Event()
        self.accepted: list[str] = []
        self.errors: list[BaseException] = []

    def run(self) -> None:
        try:
            for number in range(self._most):
                if self._enough.wait(self._every if number else 0):
                    break
                self.give(number)
        except BaseException as error:
            self.errors.append(error)
            raise

    def stop(self) -> None:
        """Give no more; comes back when the last one is accepted."""
        self._enough.set()
        self.join()

    def give(self, number: int) -> str:
        """Enqueue one job; asks again under the same idempotency key until there is an answer."""
        image = photograph(self._stage.setup.seed, number)
        request = SwapRequest(
            image=image,
            gender=number % 2,
            filter_id=number % 200,
            ratio="square",
            webhook_url=self._stage.hook if number % WITHOUT_WEBHOOK else None,
            tenant=f"tenant-{number % 3}",
            idempotency_key=f"order-{number}",
            run_timeout=self._stage.setup.run_timeout,
        )
        while True:
            try:
                job = self._stage.producer.enqueue(request).job_id
                break
            except LedgerUnavailable:
                threading.Event().wait(0.2)  # a shop would ask again as well
        sha256 = hashlib.sha256(image).hexdigest()
        self._record({"at": now(), "job": job, "image": sha256, "webhook": request.webhook_url is not None})
        self.accepted.append(job)
        return job
