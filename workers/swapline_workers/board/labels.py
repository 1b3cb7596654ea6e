"""Names of states and events. A state differs by word and shape, not by colour alone."""

from __future__ import annotations

from typing import NamedTuple

from swapline_producer.contract import State


class Appearance(NamedTuple):
    """A word, a shape's name, and a colour's tone."""

    word: str
    shape: str
    tone: str
    meaning: str


APPEARANCES: dict[State, Appearance] = {
    State.QUEUED: Appearance("Queued", "dots", "waiting", "waits for one of the vendor's slots"),
    State.SUBMITTING: Appearance("Submitting", "up", "working", "has a slot; the paid call is being made"),
    State.RUNNING: Appearance("Running", "half", "working", "the vendor works on it"),
    State.HELD: Appearance("Held", "pause", "held", "the paid call's outcome is unknown: a person decides"),
    State.STORING: Appearance("Storing", "down", "storing", "its pictures are read, checked and stored"),
    State.SUCCEEDED: Appearance("Succeeded", "check", "good", "its pictures are stored"),
    State.FAILED: Appearance("Failed", "cross", "bad", "it ended without a picture"),
    State.EXPIRED: Appearance("Expired", "clock", "over", "it waited longer than it may; uncharged"),
    State.TIMED_OUT: Appearance("Timed out", "clock", "bad", "the vendor took longer than it may"),
    State.CANCELED: Appearance("Canceled", "minus", "over", "it was canceled"),
}

SUCCESS_PATH = (State.QUEUED, State.SUBMITTING, State.RUNNING, State.STORING, State.SUCCEEDED)

OTHER_STATES = (State.HELD, State.FAILED, State.TIMED_OUT, State.EXPIRED, State.CANCELED)
WITHOUT_SUCCESS = (State.FAILED, State.TIMED_OUT, State.EXPIRED, State.CANCELED)

DONE = {
    "resolved": "Done: the job goes on under the vendor's id that you gave.",
    "replayed-submit": "Done: the job is submitted again.",
    "replayed-poll": "Done: the vendor is asked for its pictures again.",
    "replayed-finalize": "Done: the vendor is asked for its pictures again.",
    "replayed-notify": "Done: the webhook is sent again.",
    "canceled": "Done: the job is canceled.",
    "canceling": "Done: the job ends CANCELED when the vendor is done with it.",
}
"""What a page says after a decision."""

EVENT_TITLES = {
    "queued": "Accepted",
    "slot": "Given a slot",
    "attempt": "Paid call begins",
    "submitted": "The vendor has taken it",
    "not submitted": "The call did not run; back in the line, uncharged",
    "ambiguous": "The reply got lost; sent again by policy",
    "held": "The reply got lost; a person decides",
    "resolved": "The vendor's id was given",
    "replayed": "Run again on request",
    "status": "The vendor's status",
    "released": "Released by a stopping worker",
    "cancel requested": "Cancellation requested",
    "slot.released": "Its slot was released",
    "completed": "The vendor is done; the slot is passed on",
    "not stored": "The store did not take the pictures; tried again",
    "succeeded": "Pictures stored",
    "failed": "Failed",
    "expired": "Waited too long",
    "timed_out": "Ran too long",
    "canceled": "Canceled",
    "webhook failed": "Webhook not accepted; tried again later",
    "webhook delivered": "Webhook delivered",
    "webhook dead": "Webhook given up",
}
