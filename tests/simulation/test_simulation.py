"""Whole installations in simulated time: the promises hold, and the simulator notices where they do not."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import pytest

from simulation.mutant import SOURCE, Mutant
from simulation.mutants import MUTANTS
from simulation.run import play, simulation_server
from simulation.world import Scenario
from swapline_producer.ledger import scripts

if TYPE_CHECKING:
    from collections.abc import Iterator

    from redis import Redis

SMALL = 25
"""Jobs of one world here: about a second."""


@pytest.fixture(scope="module")
def server() -> Iterator[Redis]:
    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    with simulation_server() as client:
        yield client
    logging.disable(before)


@pytest.mark.parametrize(("seed", "accounts"), [(2, 3), (3, 1)])
def test_a_storm_of_faults_breaks_no_promise(server: Redis, seed: int, accounts: int) -> None:
    verdict, world = play(Scenario(seed, SMALL), server)
    assert len(world.accounts) == accounts
    assert verdict.wrong == [], "\n".join(line for _, line in world.story)
    assert verdict.faults > 0
    assert verdict.jobs >= SMALL // 2  # nothing is accepted while Redis is away, for minutes in some worlds


def test_the_same_seed_tells_the_same_story(server: Redis) -> None:
    first, second = (play(Scenario(7, SMALL), server) for _ in range(2))
    assert first[1].story == second[1].story
    assert first[0] == second[0]


@pytest.mark.parametrize("mutant", [each for each in MUTANTS if each.lua[0]], ids=lambda mutant: mutant.name)
def test_the_text_that_a_deliberate_fault_changes_is_still_there(mutant: Mutant) -> None:
    moves = [mutant.move] if mutant.move else ["accept", "advance", "claim", "line_up"]
    with mutant.applied():
        changed = [scripts._source(move) for move in moves]
    assert changed != [SOURCE(move) for move in moves]


@pytest.mark.parametrize(
    "name",
    [
        "a slot is not freed",
        "the receipt is written before its picture",
        "a refused call is not refunded",
        "a poll uses another account's key",
    ],
)
def test_a_deliberate_fault_is_found(server: Redis, name: str) -> None:
    mutant = next(each for each in MUTANTS if each.name == name)
    assert any(play(Scenario(seed, SMALL), server, mutant)[0].wrong for seed in range(100, 110))
