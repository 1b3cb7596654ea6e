"""Those who give jobs: one after the other, each with a photograph of its own, whatever happens to Redis meanwhile."""

from __future__ import annotations

import hashlib
import io
import random
import threading
from http import HTTPStatus
from typing import TYPE_CHECKING

import requests
from PIL import Image

from chaos.environment import now
from swapline_producer import SwapRequest
from swapline_producer.contract.access import KeyLimits, Scope
from swapline_producer.errors import LedgerUnavailable

if TYPE_CHECKING:
    from collections.abc import Iterable

    from chaos.environment import Stage

SIDE = 8
"""Pixels of the random pattern: enough that no two results are alike."""
FORM_FIELDS = {"gender", "filter_id", "ratio", "webhook_url", "run_timeout"}
"""Of a job that is posted; tenant and idempotency key are not in the form."""
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

    def __init__(
        self, stage: Stage, *, every: float = 1.0, numbers: Iterable[int] = range(1_000_000), posts: bool = False
    ) -> None:
        """One job each `every` seconds, by these numbers. `posts`: to the gateway."""
        super().__init__(name="load", daemon=True)
        self._numbers, self._posts = numbers, posts
        self._stage, self._every = stage, every
        self._record = stage.record("accepted")
        self._enough = threading.Event()
        self._accepted: list[str] = []
        self.errors: list[BaseException] = []
        self._keys: dict[str, str] = {}

    def run(self) -> None:
        try:
            for number in self._numbers:
                if self._enough.wait(self._every if self._accepted else 0):
                    break
                self.give(number)
        except BaseException as error:
            self.errors.append(error)
            raise

    def accepted(self) -> list[str]:
        """Ids of its jobs."""
        return list(self._accepted)

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
        while (job := self._post(request, image) if self._posts else self._enqueue(request)) is None:
            threading.Event().wait(0.2)  # a shop would ask again as well
        sha256 = hashlib.sha256(image).hexdigest()
        fact = {"at": now(), "job": job, "image": sha256, "webhook": request.webhook_url is not None}
        self._record(fact | ({"by": "gateway"} if self._posts else {}))
        self._accepted.append(job)
        return job

    def _enqueue(self, request: SwapRequest) -> str | None:
        try:
            return self._stage.producer.enqueue(request).job_id
        except LedgerUnavailable:
            return None

    def _post(self, request: SwapRequest, image: bytes) -> str | None:
        """Post a job to the gateway, as a file in a form; None where it is away, or its ledger is, or it was killed."""
        fields = request.model_dump(mode="json", exclude_none=True, include=FORM_FIELDS)
        try:
            answer = requests.post(
                f"{self._stage.gateway_url}/v1/swaps",
                data=fields,
                files={"image": ("a.png", image, "image/png")},
                headers={
                    "Authorization": f"Bearer {self._key_of(request.tenant)}",
                    "Idempotency-Key": str(request.idempotency_key),
                },
                timeout=30,
            )
        except requests.RequestException:
            return None
        if answer.status_code == HTTPStatus.SERVICE_UNAVAILABLE:
            return None
        assert answer.status_code in {HTTPStatus.ACCEPTED, HTTPStatus.OK}, answer.text
        return str(answer.json()["id"])

    def _key_of(self, tenant: str) -> str:
        while tenant not in self._keys:
            try:
                limits = KeyLimits(rate=10_000, burst=10_000)
                self._keys[tenant], _ = self._stage.producer.ledger.api_keys.create(
                    tenant, [Scope.WRITE], limits=limits
                )
            except LedgerUnavailable:
                threading.Event().wait(0.2)
        return self._keys[tenant]
