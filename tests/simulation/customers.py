"""Who gives jobs: a backend with the library, and customers of the gateway, who send a request again under its key."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from simulation.truth import COMPLETED, FAILED, REFUSED
from support.servers import new_job
from swapline_producer.client.cancel import cancel
from swapline_producer.contract import LinkedImage, Priority
from swapline_producer.errors import JobNotFound, LedgerUnavailable, NotPossible

if TYPE_CHECKING:
    from collections.abc import Callable

    from simulation.world import World
    from swapline_producer.contract import NewJob

TRIES = 20
ANSWER_WITHIN_S = 10.0
"""Seconds that a customer waits for the gateway's answer: the process that served the request may have died."""
NEXT_ID = 10_000
"""The gateway gives each request an id of its own: these lie between those of one order."""


class Customer:
    """Gives one job, and perhaps cancels it."""

    def __init__(self, world: World, number: int) -> None:
        rng = world.rng
        self._world, self._number = world, number
        self._process = rng.choices((world.shop, world.gateway), (6, 4))[0]
        self._keyed = self._process is world.gateway
        self._fate = rng.choices((COMPLETED, FAILED, REFUSED), (93, 4, 3))[0]
        self._hook = "https://shop.example/hook" if rng.random() < 0.7 else None
        self._tenant, self._priority = rng.choice("ab"), rng.choice(list(Priority))
        self._cancel_in = rng.random() * 60 if rng.random() < 0.06 else None
        self._cancel_when = rng.choice(("vendor", "store")) if rng.random() < 0.1 else None
        self._keeps_result = rng.random() < 0.5
        self._job_id: str | None = None
        world.vendor.fate[f"j{number}"] = self._fate

    def run(self) -> None:
        """Send the request until there is an answer; cancel it later."""
        world, scheduler = self._world, self._world.scheduler
        for attempt in range(TRIES):
            number = self._number + NEXT_ID * attempt if self._keyed else self._number
            world.vendor.fate[f"j{number}"] = self._fate
            answered: list[bool] = []
            scheduler.spawn(self._served(self._job(number), answered), self._process)
            give_up_at = scheduler.now + ANSWER_WITHIN_S
            while not answered and scheduler.now < give_up_at:
                world.sleep(0.5)
            if answered and answered[0]:
                break
            if not (answered or self._keyed):  # the backend died and does not ask again
                break
        if self._cancel_when and self._job_id:
            world.triggers[self._cancel_when, self._job_id] = self._spawn_cancel
        elif self._cancel_in is not None and self._job_id is not None:
            world.sleep(self._cancel_in)
            self._spawn_cancel()

    def _spawn_cancel(self) -> None:
        self._world.scheduler.spawn(self._cancel, self._process)

    def _job(self, number: int) -> NewJob:
        job_id, key = f"j{number}", {"idempotency_key": f"order-{self._number}"} if self._keyed else {}
        job = new_job(
            job_id,
            image=LinkedImage(url=f"https://pictures.example/{job_id}"),
            tenant=self._tenant,
            priority=self._priority,
            webhook_url=self._hook,
            queue_ttl=7 * 86_400,
            metadata={"name": job_id},
            **key,
        )
        return job._replace(run_timeout=1800.0, fingerprint=f"order-{self._number}")

    def _served(self, job: NewJob, answered: list[bool]) -> Callable[[], None]:
        """Return what one thread of the backend or the gateway does for this request."""

        def serve() -> None:
            try:
                accepted = self._process.ledger.intake.accept(job)
            except LedgerUnavailable:
                answered.append(False)
                return
            self._job_id = accepted.job_id
            self._world.accepted[accepted.job_id] = self._hook is not None
            self._process.broker.send(accepted.messages)
            answered.append(True)

        return serve

    def _cancel(self) -> None:
        world, job_id = self._world, self._job_id
        assert job_id is not None
        world.cancels.add(job_id)
        with suppress(LedgerUnavailable, NotPossible, JobNotFound):
            cancel(self._process.ledger, self._process.broker, job_id, keep_result=self._keeps_result)
            world.canceled.add(job_id)
