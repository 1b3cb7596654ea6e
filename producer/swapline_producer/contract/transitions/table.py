"""The table of all transitions, filled by the functions that make them."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, TypeVar

from swapline_producer.contract.enums import State

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from swapline_producer.contract.changes import Change

Function = TypeVar("Function", bound="Callable[..., Change]")


class Transition(NamedTuple):
    """One arrow: from `source` to `target`, the function that takes it, and when."""

    source: State
    target: State
    name: str
    when: str


TABLE: list[Transition] = [
    Transition(State.QUEUED, State.SUBMITTING, "granted", "a slot is free and the job is the first in line"),
    Transition(State.HELD, State.HELD, "slot released", "its run timeout is over: its slot goes to the next job"),
]
"""At first the two arrows that only the ledger takes (lua/line.lua, lua/claim.lua)."""

_ALLOWED = {(arrow.source, arrow.target) for arrow in TABLE}


def arrow(sources: State | Iterable[State], target: State | None, when: str) -> Callable[[Function], Function]:
    """Enter a function into the table, with one arrow for each source; without a `target` the state stays."""

    def enter(function: Function) -> Function:
        for source in [sources] if isinstance(sources, State) else sources:
            TABLE.append(Transition(source, target or source, function.__name__, when))
            _ALLOWED.add((source, target or source))
        return function

    return enter


def allows(source: State, target: State) -> bool:
    """Whether the table has this arrow."""
    return (source, target) in _ALLOWED
