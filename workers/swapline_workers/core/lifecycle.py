"""The step that acts on a due job."""

from __future__ import annotations

from swapline_producer.contract import FINISHED, State, Step

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
"""State -> step; `+pending`: a webhook is; `+canceling`: to be canceled, without a slot."""
