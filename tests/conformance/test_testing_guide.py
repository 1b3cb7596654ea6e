"""The tests of the guide on testing are tests."""

from __future__ import annotations

import pytest

from support.programs.guides import run

NAMES = [
    "test_an_order_is_placed_once",
    "test_an_order_has_its_picture",
    "test_an_order_fails",
    "test_code_that_waits_for_its_picture",
]


@pytest.mark.parametrize("name", NAMES)
def test_the_example_passes(name: str) -> None:
    names = run("testing.md", "Without anything")
    assert [given for given in names if given.startswith("test_")] == NAMES
    names[name]()
