"""The table of all transitions, filled by their functions."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, TypeVar

from swapline_producer.contract.enums import State

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from swapline_producer.contract.changes import Change

Function = TypeVar("Function", bound="Callable[..., Change]")


class Transition(NamedTuple):
    """The function that leads from `source` to `target`, and when."""

    source: State
    target: State
    name: str
    when: str


TABLE: list[Transition] = [
    Transition(State.QUEUED, State.SUBMITTING, "granted", "a slot is free and the job is the first in line"),
    Transition(State.HELD, State.HELD, "slot released", "its run timeout is over: its slot goes to the next job"),
]
"""First the ledger's own arrows (lua/parts/line.lua, lua/moves/claim.lua)."""

_ALLOWED = {(arrow.source, arrow.target) for arrow in TABLE}


def arrow(sources: State | Iterable[State], target: State | None, when: str) -> Callable[[Function], Function]:
    """Enter a function into the table; without `target` the state stays."""

    def enter(function: Function) -> Function:
        for source in [sources] if isinstance(sources, State) else sources:
            TABLE.append(Transition(source, target or source, function.__name__, when))
            _ALLOWED.add((source, target or source))
        return function

    return enter


def allows(source: State, target: State) -> bool:
    """Whether the table has this arrow."""
    return (source, target) in _ALLOWED
