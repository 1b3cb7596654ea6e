"""Who gives jobs: a backend with the library, and customers of the gateway, who send a request again under its key."""

from __future__ import annotations

import base64
from contextlib import suppress
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from simulation.accounts import LABELS
from simulation.producers import TENANTS
from simulation.truth import COMPLETED, FAILED, REFUSED, photograph_of
from swapline_producer.contract import ApiVersion, Priority, SwapRequest
from swapline_producer.errors import SwaplineError

if TYPE_CHECKING:
    import random

    from simulation.world import World

TRIES = 20
ANSWER_WITHIN_S = 10.0
"""Seconds that a customer waits for the gateway's answer: the process that served the request may have died."""
NEXT_ID = 10_000
"""The gateway gives each request an id of its own: these lie between those of one order."""
PHOTOGRAPHS = (3, 3, 12)
"""Different ones in a world: several jobs need the same stored input, or few do."""
QUEUE_TTL_S = 7 * 86_400.0


@dataclass(frozen=True)
class Order:
    """What a customer wants."""

    name: str
    tenant: str
    photograph: int | None
    """None: the picture is at a URL."""
    version: ApiVersion = ApiVersion.V6
    pin: str | None = None

    @property
    def image(self) -> str:
        """The picture's URL, or its base64."""
        if self.photograph is None:
            return f"https://pictures.example/{self.name}"
        return base64.b64encode(photograph_of(self.photograph)).decode()

    def check(self, sent: str) -> None:
        """The vendor is sent this picture and no other."""
        assert sent == self.image, f"{self.name} was sent with another's picture"


def draw_order(world: World, number: int, rng: random.Random, known: int | None, *, by_gateway: bool) -> Order:
    """Draw what the request says."""
    pin = version = None
    if len(world.accounts) > 1:
        tokens = [*world.accounts, *(label for label in LABELS if world.serving(label))]
        pin = rng.choice(tokens) if rng.random() < 0.2 and not by_gateway else None
        version = ApiVersion.V5 if rng.random() < 0.1 and not pin else None
    drawn = rng.randrange(world.photographs) if rng.random() < 0.5 else None
    photograph = drawn if known is None else known
    return Order(f"order-{number}", rng.choice(TENANTS), photograph, version or ApiVersion.V6, pin)


def values_of(order: Order, priority: Priority, hook: str | None) -> dict[str, Any]:
    """Return a request's fields."""
    return {
        "image": order.image,
        "gender": 1,
        "filter_id": 12,
        "priority": priority,
        "webhook_url": hook,
        "queue_ttl": QUEUE_TTL_S,
        "metadata": {"name": order.name},
        "api_version": order.version,
    }


class Customer:
    """Gives one job, and perhaps cancels it."""

    def __init__(self, world: World, number: int, photograph: int | None = None) -> None:
        """`photograph`: it is this one, and is sent to the gateway; else both are drawn."""
        rng = world.rng
        self._world, self._number = world, number
        self._by_gateway = rng.random() < 0.4 or photograph is not None
        self._process = world.gateway if self._by_gateway else world.shop
        self._fate = rng.choices((COMPLETED, FAILED, REFUSED), (93, 4, 3))[0]
        self._hook = "https://shop.example/hook" if rng.random() < 0.7 else None
        self._priority = rng.choice(list(Priority))
        self._cancel_in = rng.random() * 60 if rng.random() < 0.06 else None
        self._cancel_when = rng.choice(("vendor", "store")) if rng.random() < 0.1 else None
        self._keeps_result = rng.random() < 0.5
        self._order = draw_order(world, number, rng, photograph, by_gateway=self._by_gateway)
        world.orders[self._order.name] = self._order
        self._job_id: str | None = None
        world.vendor.fate[f"j{number}"] = self._fate
        world.order_of[f"j{number}"] = self._order

    def run(self) -> None:
        """Send the request until there is an answer; cancel it later."""
        world, scheduler = self._world, self._world.scheduler
        for attempt in range(TRIES):
            job_id = f"j{self._number + NEXT_ID * attempt if self._by_gateway else self._number}"
            world.vendor.fate[job_id] = self._fate
            world.order_of[job_id] = self._order
            answered: list[bool] = []
            fibre = scheduler.spawn(lambda here=answered: self._serve(here), self._process)  # type: ignore[misc]
            fibre.working = job_id
            give_up_at = scheduler.now + ANSWER_WITHIN_S
            while not answered and scheduler.now < give_up_at:
                world.sleep(0.5)
            if answered and answered[0]:
                break
            if not self._by_gateway and (not answered or self._order.photograph is not None):
                break  # the backend died; or its new try would have another id, and the old one a hold
        if self._cancel_when and self._job_id:
            world.triggers[self._cancel_when, self._job_id] = self._spawn_cancel
        elif self._cancel_in is not None and self._job_id is not None:
            world.sleep(self._cancel_in)
            self._spawn_cancel()

    def _spawn_cancel(self) -> None:
        self._world.scheduler.spawn(self._cancel, self._process)

    def _serve(self, answered: list[bool]) -> None:
        """Do what one thread of the backend or the gateway does for this request."""
        job_id = self._asked_of_gateway() if self._by_gateway else self._given_by_backend()
        if job_id is not None:
            self._job_id = job_id
            if job_id not in self._world.restarts.gone:
                self._world.accepted[job_id] = self._hook is not None
        answered.append(job_id is not None)

    def _given_by_backend(self) -> str | None:
        order = self._order
        data = order.image if order.photograph is None else photograph_of(order.photograph)
        given = {
            **values_of(order, self._priority, self._hook),
            "image": data,
            "tenant": order.tenant,
            "account": order.pin,
        }
        try:
            return self._world.shop.producer.enqueue(SwapRequest(**given)).job_id
        except SwaplineError:
            return None

    def _asked_of_gateway(self) -> str | None:
        order = self._order
        given = values_of(order, self._priority, self._hook)
        values = {name: value for name, value in given.items() if value is not None}
        status, answer = self._world.gateway.ask(
            order.tenant, "/v1/swaps", values, **{"idempotency-key": self._order.name}
        )
        return str(answer["id"]) if status in {HTTPStatus.OK, HTTPStatus.ACCEPTED} else None

    def _cancel(self) -> None:
        world, job_id, keep = self._world, self._job_id, self._keeps_result
        assert job_id is not None
        world.cancels.add(job_id)
        restarts = world.restarts.number  # one that comes before the answer may have lost it
        if self._by_gateway:
            path = f"/v1/swaps/{job_id}/cancel"
            status, _ = world.gateway.ask(self._order.tenant, path, {"keep_result": keep})
            if status == HTTPStatus.OK and restarts == world.restarts.number:
                world.canceled.add(job_id)
            return
        with suppress(SwaplineError):
            world.shop.producer.cancel(job_id, keep_result=keep)
            if restarts == world.restarts.number:
                world.canceled.add(job_id)
