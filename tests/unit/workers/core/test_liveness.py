"""What follows from what a worker shows of itself."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import pytest

from support.redis.fixtures import waited_for
from swapline_workers.core.liveness import Liveness, liveness_problem, readiness_problem
from swapline_workers.runtime import heartbeat as heartbeat_module
from swapline_workers.runtime.heartbeat import Allowed, Heartbeat

if TYPE_CHECKING:
    from pathlib import Path

WELL = Liveness(
    pid=7,
    at=1000,
    silent_within=30,
    stopping=False,
    consumer_at=999,
    consumer_within=60,
    connected=True,
    dispatcher_at=998,
    dispatcher_within=125,
    claimed_at=998,
    claimed_within=125,
    ledger_away=False,
    unwritten=0,
    threads=2,
    busy_since=(),
    busy_within=500,
)


def so(**values: Any) -> Liveness:
    return dataclasses.replace(WELL, **values)


def test_a_worker_that_comes_by_everywhere_is_alive_and_ready() -> None:
    assert (liveness_problem(WELL, 1001), readiness_problem(WELL, 1001)) == (None, None)


@pytest.mark.parametrize(
    ("liveness", "why"),
    [
        (so(at=960), "it has not shown itself for 41 s: it is frozen or gone"),
        (so(at=5000), "it has not shown itself for -3999 s: it is frozen or gone"),
        (so(consumer_at=930), "its main thread has been stuck for 71 s, and reads no messages"),
        (so(dispatcher_at=800), "its due dispatcher has been stuck for 201 s"),
        (so(claimed_at=870), "it could claim nothing for 131 s: the ledger is away or takes no writes"),
        (so(busy_since=(400, 500)), "all its 2 threads have been at one job each for more than 500 s"),
    ],
)
def test_what_keeps_it_from_working_is_reported(liveness: Liveness, why: str) -> None:
    assert (liveness_problem(liveness, 1001), readiness_problem(liveness, 1001)) == (why, why)


@pytest.mark.parametrize(
    ("liveness", "why"),
    [
        (so(connected=False), "it waits for the broker"),
        (so(ledger_away=True), "it waits for the ledger"),
        (so(stopping=True, consumer_at=0, dispatcher_at=0), "it is stopping"),
    ],
)
def test_a_worker_that_waits_or_stops_is_alive_and_not_ready(liveness: Liveness, why: str) -> None:
    assert (liveness_problem(liveness, 1001), readiness_problem(liveness, 1001)) == (None, why)


def test_a_worker_that_has_paid_results_which_the_ledger_does_not_take_is_left_alive() -> None:
    assert liveness_problem(so(claimed_at=870, unwritten=1), 1001) is None


def test_one_thread_that_is_left_is_enough_to_live() -> None:
    assert liveness_problem(so(busy_since=(400, 990)), 1001) is None


def test_what_is_written_is_what_is_read() -> None:
    liveness = so(busy_since=(1.5, 2.5))
    assert Liveness.read(liveness.text()) == liveness


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"busy_since": []}', '{"busy_since": [], "more": 1}', "null"])
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"heartbeat|Expecting value"):
        Liveness.read(text)


class DueDispatcher:
    last_tick_at = 0.0
    claimed_at = 0.0
    away = False


def test_a_heartbeat_that_could_not_be_written_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(heartbeat_module, "HEARTBEAT_INTERVAL_S", 0.01)
    file = tmp_path / "run" / "heartbeat"
    heartbeat = Heartbeat(
        file, due_dispatcher=DueDispatcher(), allowed=Allowed(dispatcher_pause=5, step=500), active=list
    )
    heartbeat.start()
    file.parent.rename(tmp_path / "away")
    waited_for(lambda: "heartbeat file cannot be written" in caplog.text)
    (tmp_path / "away").rename(file.parent)
    file.unlink(missing_ok=True)
    waited_for(file.is_file)
    heartbeat.stop()
    assert list(file.parent.iterdir()) == []


def test_a_leased_job_is_as_old_as_it_was_seen(tmp_path: Path) -> None:
    now, hands = [100.0], ["a"]
    heartbeat = Heartbeat(
        tmp_path / "heartbeat",
        due_dispatcher=DueDispatcher(),
        allowed=Allowed(dispatcher_pause=5, step=500),
        active=lambda: list(hands),
        monotonic=lambda: now[0],
    )
    assert heartbeat.liveness().busy_since == (100,)
    now[0], hands[1:] = 150, ["b"]
    assert heartbeat.liveness().busy_since == (100, 150)
    del hands[0]
    assert heartbeat.liveness().busy_since == (150,)


def test_before_its_first_claim_a_worker_has_as_long_as_after_it(tmp_path: Path) -> None:
    now, due_dispatcher = [100.0], DueDispatcher()
    allowed = Allowed(dispatcher_pause=5, step=500)
    heartbeat = Heartbeat(
        tmp_path / "heartbeat", due_dispatcher=due_dispatcher, allowed=allowed, active=list, monotonic=lambda: now[0]
    )
    now[0] = 150
    assert (heartbeat.liveness().claimed_at, heartbeat.liveness().claimed_within) == (100, 125)
    due_dispatcher.claimed_at = 140
    assert heartbeat.liveness().claimed_at == 140
