"""Simulated time: what sleeps wakes in order, and a machine that stands still goes on when it is said to."""

from __future__ import annotations

from dataclasses import dataclass

from simulation.scheduler import Scheduler


@dataclass(eq=False)
class Machine:
    epoch: int = 0
    stopped_until: float = 0.0


def _wake_times(stops: list[tuple[float, float]], resumed: tuple[float, float] | None = None) -> list[float]:
    """When a fibre that sleeps five seconds at a time runs, on a machine with these stops (from, to)."""
    scheduler, machine, woke = Scheduler(), Machine(), list[float]()

    def tick() -> None:
        while scheduler.now < 60.0:
            scheduler.sleep(5.0)
            woke.append(scheduler.now)

    def stop_at(since: float, until: float) -> None:
        scheduler.spawn(lambda: scheduler.stop(machine, until), after=since)

    scheduler.spawn(tick, machine)
    for since, until in stops:
        stop_at(since, until)
    if resumed:
        scheduler.spawn(lambda: scheduler.resume(machine, resumed[1]), after=resumed[0])
    while scheduler.step():
        pass
    return woke


def test_a_machine_that_stands_still_goes_on_at_the_end_of_the_stop() -> None:
    assert _wake_times([(2.0, 42.0)]) == [42.0, 47.0, 52.0, 57.0, 62.0]


def test_a_short_stop_within_a_long_one_does_not_end_it() -> None:
    assert _wake_times([(2.0, 42.0), (10.0, 20.0)]) == [42.0, 47.0, 52.0, 57.0, 62.0]


def test_a_machine_that_is_resumed_goes_on_with_all_that_stood_still() -> None:
    assert _wake_times([(2.0, 400.0)], resumed=(40.0, 41.0)) == [41.0, 46.0, 51.0, 56.0, 61.0]


def test_what_sleeps_on_a_machine_that_is_resumed_sleeps_on() -> None:
    assert _wake_times([(2.0, 400.0)], resumed=(3.0, 4.0)) == [float(at) for at in range(5, 61, 5)]
