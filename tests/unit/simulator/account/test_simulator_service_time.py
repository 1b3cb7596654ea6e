from __future__ import annotations

from statistics import median

import pytest

from swapline_simulator.account.service_time import Bimodal, Distribution, Fixed, LogNormal, parse
from swapline_simulator.rng import stream


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("fixed:2", Fixed(2)),
        ("lognormal:8,0.4", LogNormal(8, 0.4)),
        ("bimodal:4,20,0.3", Bimodal(4, 20, 0.3)),
    ],
)
def test_a_distribution_is_read_and_written_alike(text: str, read: Distribution) -> None:
    assert parse(text) == read
    assert str(read) == text


@pytest.mark.parametrize(
    "text",
    [
        "",
        "fixed",
        "fixed:",
        "fixed:-1",
        "fixed:inf",
        "fixed:nan",
        "fixed:1,2",
        "lognormal:0,1",
        "bimodal:1,2,3",
        "uniform:1,2",
    ],
)
def test_anything_else_is_refused_with_the_spelling(text: str) -> None:
    with pytest.raises(ValueError, match=r"such as lognormal:8,0\.4"):
        parse(text)


def drawn(distribution: Distribution) -> list[float]:
    return [distribution.draw(stream(1, "service", number)) for number in range(4000)]


def test_half_of_the_lognormal_times_are_below_its_median() -> None:
    assert median(drawn(LogNormal(8, 0.4))) == pytest.approx(8, rel=0.05)


def test_a_bimodal_time_is_near_one_of_its_two_and_slow_as_often_as_asked() -> None:
    times = drawn(Bimodal(4, 20, 0.3))
    slow = [time for time in times if 18 <= time <= 22]
    assert len(slow) / len(times) == pytest.approx(0.3, abs=0.03)
    assert all(3.6 <= time <= 4.4 for time in times if time not in slow)
