"""A job that is refused for its own sake stops no other, and ends; what is the account's fault ends no job."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from support.ledgers.refusal_stories import REFUSALS, SERVICE, Shop
from support.ledgers.small_world import WatchedLedger
from swapline_producer.client.cancel import cancel
from swapline_producer.contract import FailureCode, Priority, State
from swapline_producer.ledger import connect

if TYPE_CHECKING:
    from collections.abc import Generator

    from support.redis.fixtures import Time
    from swapline_workers.local.valkey.server import EmbeddedValkey

CODES = {
    "401": FailureCode.UNAUTHORIZED,
    "402": FailureCode.OUT_OF_CREDITS,
    "403": FailureCode.UNAUTHORIZED,
    "404": FailureCode.VENDOR_REJECTED,
    "429": FailureCode.VENDOR_REJECTED,
    "429, Retry-After": FailureCode.VENDOR_REJECTED,
}
INTERVAL = 5.0
"""Seconds: the longest first wait of those."""


@pytest.fixture
def shop(valkey: EmbeddedValkey, prefix: str, time: Time, request: pytest.FixtureRequest) -> Generator[Shop]:
    """An installation with three slots, or with as many as the test wants."""
    client = connect(valkey.url)
    yield Shop(WatchedLedger(client, prefix, clock=time), time, getattr(request, "param", 3))
    client.close()


HEALTHY = tuple(f"h{number}" for number in range(8))
MINUTE = 60.0


@pytest.mark.parametrize("how", REFUSALS)
@pytest.mark.parametrize("shop", [1, 3, 20], indirect=True, ids=["one slot", "three slots", "many slots"])
def test_a_job_that_is_refused_for_its_own_sake_stops_nobody_and_fails_uncharged(shop: Shop, how: str) -> None:
    shop.vendor.dislikes["ill"] = how
    shop.enqueue("ill", *HEALTHY)
    shop.run_until(lambda: shop.all_done(*HEALTHY))
    assert shop.idle <= INTERVAL * shop.slots
    shop.run_until(lambda: shop.get("ill").state.finished)
    ill = shop.get("ill")
    assert (ill.state, ill.failure_code, ill.credits) == (State.FAILED, CODES[how], 0)
    assert REFUSALS[how]().args[0] in (ill.failure_detail or "")
    assert shop.ledger.stats.snapshot().credits_today == 2 * len(HEALTHY)
    assert (shop.ledger.limits.slots().trips, shop.ledger.limits.slots().cap) == (0, shop.slots)


def test_one_refusal_of_a_kind_shown_to_be_a_jobs_own_makes_the_next_ones_cost_nothing(shop: Shop) -> None:
    shop.vendor.dislikes |= {"ill": "403", "also ill": "403"}
    shop.enqueue("ill", *HEALTHY)
    shop.run_until(lambda: shop.all_done(*HEALTHY))
    shop.run_until(lambda: shop.get("ill").own_refusals > 0)
    before = shop.idle
    shop.enqueue("also ill", "healthy", "too")
    shop.run_until(lambda: shop.all_done("healthy", "too"))
    assert shop.idle == before


@pytest.mark.parametrize("shop", [1, 3], indirect=True, ids=["one slot", "three slots"])
@pytest.mark.parametrize("how", ["403", "429"])
def test_however_many_such_jobs_stand_in_front_the_others_go_on(shop: Shop, how: str) -> None:
    ill = [f"ill{number}" for number in range(20)]
    shop.vendor.dislikes |= dict.fromkeys(ill, how)
    shop.enqueue(*ill, priority=Priority.HIGH, tenant="a")
    shop.enqueue(*HEALTHY[:4], priority=Priority.LOW, tenant="a")
    shop.enqueue(*HEALTHY[4:], priority=Priority.NORMAL, tenant="b")
    shop.run_until(lambda: shop.all_done(*HEALTHY))
    assert shop.idle <= 6 * INTERVAL * shop.slots  # for twenty of them
    for number in range(20):  # each that is accepted shows that those refused before it were refused for their own sake
        shop.enqueue(f"late{number}")
        shop.run(20)
    assert {shop.get(name).state for name in ill} == {State.FAILED}


@pytest.mark.parametrize("shop", [1], indirect=True, ids=["one slot"])
def test_however_many_such_jobs_a_tenant_has_the_next_tenant_probes(shop: Shop) -> None:
    ill = [f"ill{number}" for number in range(20)]
    shop.vendor.dislikes |= dict.fromkeys(ill, "403")
    shop.enqueue(*ill, tenant="ill")
    for name in HEALTHY:
        shop.enqueue(name, tenant=name)
    shop.run_until(lambda: shop.all_done(*HEALTHY))
    assert shop.idle <= INTERVAL


def test_a_job_shown_to_be_refused_alone_ends_beside_one_that_is_refused_otherwise(shop: Shop) -> None:
    """Nothing else waits by then that the vendor would accept."""
    shop.vendor.dislikes |= {"ill": "404", "otherwise": "403"}
    shop.enqueue("ill", *HEALTHY)
    shop.run_until(lambda: shop.all_done(*HEALTHY) and shop.get("ill").own_refusals > 0)
    shop.enqueue("otherwise")
    shop.run_until(lambda: shop.get("ill").state.finished, seconds=3 * MINUTE)
    ill, otherwise = shop.get("ill"), shop.get("otherwise")
    assert (ill.failure_code, ill.credits) == (FailureCode.VENDOR_REJECTED, 0)
    assert otherwise.state is State.QUEUED  # it may be the account that is refused


def test_a_job_that_was_refused_alone_for_long_does_not_keep_others_waiting(shop: Shop) -> None:
    shop.vendor.dislikes["ill"] = "402"
    shop.enqueue("ill")
    shop.run(10 * MINUTE)
    assert shop.ledger.limits.slots().trips > 5  # it is not known yet whose fault it is
    shop.enqueue(*HEALTHY)
    shop.run_until(lambda: shop.all_done(*HEALTHY))
    assert shop.idle == 0
    shop.run_until(lambda: shop.get("ill").state is State.FAILED)


def test_a_job_whose_polls_are_refused_for_its_own_sake_stops_nobody_and_goes_on(shop: Shop) -> None:
    shop.vendor.polls_refused.add("ill")
    shop.enqueue("ill")
    shop.run(20)
    shop.enqueue(*HEALTHY)
    shop.run_until(lambda: shop.all_done(*HEALTHY))
    assert shop.idle == 0
    assert shop.get("ill").state is State.RUNNING
    shop.vendor.polls_refused.clear()
    shop.run_until(lambda: shop.all_done("ill"))


# -- inputs that cannot be read -------------------------------------------------------------------------------------


def test_an_input_that_cannot_be_read_pauses_nobody_else_and_ends_its_job_uncharged(shop: Shop) -> None:
    shop.pictures.unreadable.add("bad")
    shop.enqueue("ill", "ill too", sha="bad")
    shop.enqueue(*HEALTHY[:4], sha="good")
    shop.enqueue(*HEALTHY[4:])
    shop.run_until(lambda: shop.all_done(*HEALTHY))
    assert shop.idle == 0
    for name in ("ill", "ill too"):
        shop.run_until(lambda name=name: shop.get(name).state.finished)  # type: ignore[misc]
        ill = shop.get(name)
        assert (ill.state, ill.failure_code, ill.credits) == (State.FAILED, FailureCode.STORAGE_FAILED, 0)
        assert "an input/output error" in (ill.failure_detail or "")


def test_where_two_inputs_cannot_be_read_everybody_waits_and_no_job_fails(shop: Shop) -> None:
    shop.pictures.unreadable |= {"one", "two", "three"}
    for sha in ("one", "two", "three"):
        shop.enqueue(f"of {sha}", sha=sha)
    shop.run(5 * MINUTE)
    assert "cannot be read" in (shop.ledger.limits.slots().reason or "")
    shop.pictures.unreadable.clear()
    shop.run_until(lambda: shop.all_done("of one", "of two", "of three"), 90)


def test_a_store_that_is_away_does_not_stop_jobs_that_need_none_for_long(shop: Shop) -> None:
    shop.pictures.unreadable.add("bad")
    shop.enqueue("stored", sha="bad")
    for number in range(30):
        shop.enqueue(f"linked{number}")
        shop.run(2)
    assert shop.all_done(*(f"linked{number}" for number in range(29)))
    shop.pictures.unreadable.clear()
    shop.run_until(lambda: shop.all_done("stored"), 90)


# -- the account's own fault ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("how", REFUSALS)
def test_what_is_the_accounts_fault_fails_no_job_and_asks_seldom(shop: Shop, how: str) -> None:
    shop.enqueue(*HEALTHY[:3])
    shop.run_until(lambda: shop.all_done(*HEALTHY[:3]))
    shop.vendor.down = how
    shop.enqueue(*HEALTHY[3:], "last")
    shop.run(10 * MINUTE)
    assert len(shop.vendor.refused) <= 20
    shop.vendor.down = None
    shop.run_until(lambda: shop.all_done(*HEALTHY, "last"), 320)


def test_jobs_refused_for_their_own_sake_wait_while_the_account_is_refused(shop: Shop) -> None:
    shop.vendor.dislikes["ill"] = "403"
    shop.enqueue("ill", "healthy")
    shop.run_until(lambda: shop.get("ill").own_refusals == 1)
    shop.vendor.down = "401"
    shop.enqueue(*HEALTHY)
    shop.run(5 * MINUTE)
    assert shop.ledger.limits.slots().trips > 1
    shop.vendor.down = None
    shop.run_until(lambda: shop.all_done(*HEALTHY), 70)


@pytest.mark.parametrize("real_cap", [1, 2])
def test_a_cap_that_is_lower_than_ours_keeps_no_slot_idle_and_fails_no_job(shop: Shop, real_cap: int) -> None:
    shop.vendor.cap = real_cap
    names = [f"j{number}" for number in range(40)]
    shop.enqueue(*names)
    began = shop.time()
    shop.run_until(lambda: shop.all_done(*names))
    took = (shop.time() - began) / 1000
    assert took <= 1.25 * len(names) * SERVICE / real_cap
    assert len(shop.vendor.refused) <= 4 + 2 * took / 30


# -- what remains --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("end", ["cancel", "expire"])
def test_a_refused_job_that_ends_otherwise_leaves_nothing(shop: Shop, end: str) -> None:
    shop.vendor.dislikes["ill"] = "403"
    shop.enqueue("ill", queue_ttl=30)
    shop.run(2)
    if end == "cancel":
        cancel(shop.ledger, shop.world.bag, "ill")
    shop.run(2 * MINUTE)
    assert shop.get("ill").state is (State.CANCELED if end == "cancel" else State.EXPIRED)
    assert shop.ledger.client.zcard(f"{shop.ledger.prefix}:refused") == 0
    assert shop.ledger.limits.slots().trips == 0


def test_a_job_that_was_refused_and_is_accepted_begins_anew(shop: Shop) -> None:
    shop.vendor.dislikes["ill"] = "403"
    shop.enqueue("ill", *HEALTHY)
    shop.run_until(lambda: shop.get("ill").own_refusals == 2)
    shop.vendor.dislikes.clear()
    shop.run_until(lambda: shop.all_done("ill"))
    assert (shop.get("ill").refused_as, shop.get("ill").own_refusals) == (None, 0)
