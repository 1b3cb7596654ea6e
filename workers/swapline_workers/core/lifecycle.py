"""The table of all transitions. `docs/lifecycle.md` is drawn from it, and nothing may happen that is not in it."""

from __future__ import annotations

from typing import NamedTuple

from swapline_producer.contract import FINISHED, State, Step


class Transition(NamedTuple):
    """One arrow: from `source` to `target`, and when it is taken."""

    source: State
    target: State
    when: str


TABLE = (
    Transition(State.QUEUED, State.SUBMITTING, "a slot is free and the job is the first in line"),
    Transition(State.QUEUED, State.RUNNING, "the reply of an attempt given up for unknown came after all"),
    Transition(State.QUEUED, State.EXPIRED, "it waited longer than its queue TTL"),
    Transition(State.QUEUED, State.CANCELED, "it was canceled"),
    Transition(State.QUEUED, State.HELD, "Redis was restored from a backup: it may have been submitted since"),
    Transition(State.SUBMITTING, State.SUBMITTING, "the attempt is written, just before the paid call"),
    Transition(State.SUBMITTING, State.RUNNING, "the vendor's id is known"),
    Transition(State.SUBMITTING, State.QUEUED, "the call provably did not run: no connection, 429, key, credits"),
    Transition(State.SUBMITTING, State.HELD, "the reply is unknown, and the policy is hold"),
    Transition(
        State.SUBMITTING,
        State.FAILED,
        "the vendor refused it, or refused it alone too often; or its reply is unknown, policy fail",
    ),
    Transition(State.SUBMITTING, State.CANCELED, "it was canceled, and the paid call was not made or not accepted"),
    Transition(State.RUNNING, State.RUNNING, "a poll found it not finished"),
    Transition(State.RUNNING, State.STORING, "the vendor says COMPLETED; the slot is passed on"),
    Transition(State.RUNNING, State.FAILED, "the vendor says FAILED, or does not know the job any more"),
    Transition(State.RUNNING, State.TIMED_OUT, "it ran longer than its run timeout"),
    Transition(State.RUNNING, State.CANCELED, "it was canceled, and the vendor has finished it; its work is paid"),
    Transition(State.HELD, State.HELD, "its webhook was tried, or its slot was let go"),
    Transition(State.HELD, State.RUNNING, "the vendor's id became known after all"),
    Transition(State.HELD, State.QUEUED, "a person sends it again, accepting the charge"),
    Transition(State.HELD, State.FAILED, "a person gives it up"),
    Transition(State.HELD, State.CANCELED, "it was canceled, and its slot is free"),
    Transition(State.STORING, State.STORING, "its pictures could not be read or stored, and are tried again"),
    Transition(State.STORING, State.SUCCEEDED, "its pictures and receipt are stored"),
    Transition(State.STORING, State.FAILED, "its pictures are missing, broken or gone, or could not be stored in time"),
    Transition(State.STORING, State.TIMED_OUT, "the vendor took COMPLETED back, and its run timeout is over"),
    Transition(State.STORING, State.CANCELED, "it was canceled; the vendor's work is paid"),
    Transition(State.STORING, State.RUNNING, "a person had it polled again, and the vendor still works on it"),
    *(
        Transition(state, State.QUEUED, "a person sends it again, accepting the charge")
        for state in State
        if state in FINISHED and state is not State.SUCCEEDED
    ),
    *(
        Transition(state, State.STORING, "a person has the vendor asked for its id again")
        for state in State
        if state in FINISHED and state is not State.EXPIRED
    ),
    *(
        Transition(state, State.SUCCEEDED, "Redis was restored from a backup, and its receipt was found")
        for state in (State.QUEUED, State.SUBMITTING, State.RUNNING, State.HELD)
    ),
    *(Transition(state, state, "its webhook was tried") for state in State if state in FINISHED),
)

_ALLOWED = frozenset((arrow.source, arrow.target) for arrow in TABLE)

PENDING, CANCELING = "+pending", "+canceling"

ROUTES: dict[str, Step] = {
    State.QUEUED.value: Step.SUBMIT,
    State.SUBMITTING.value: Step.SUBMIT,
    State.RUNNING.value: Step.POLL,
    State.STORING.value: Step.FINALIZE,
    State.HELD.value + PENDING: Step.NOTIFY,
    State.HELD.value + CANCELING: Step.SUBMIT,
    **{state.value + PENDING: Step.NOTIFY for state in State if state in FINISHED},
}
"""Which step acts on a job that is due: by state, and where it matters by `+pending` (its webhook waits)
or `+canceling` (it is to be canceled, and its slot is free)."""


def allows(source: State, target: State) -> bool:
    """Whether the table has this arrow."""
    return (source, target) in _ALLOWED
