"""Choose the mode of the next reply, by directions given at start or while the vendor runs.

For each stage the first that applies wins: the direction for the job or submission, the standing one, the default.
"""

from __future__ import annotations

from collections import defaultdict, deque
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Annotated, NamedTuple, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, field_validator, model_validator

from swapline_simulator.faults.modes import MODES, WELL_BEHAVED, Mode, Stage
from swapline_simulator.rng import stream


class Direction(BaseModel):
    """Use a mode: until changed, for one job, or for the next submissions."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    mode: Mode
    amount: float | None = Field(default=None, ge=0)
    """In the mode's unit; None: its default."""
    share: float = Field(default=1, gt=0, le=1)
    """The share of calls in this mode, drawn by the seed; of jobs, for the result."""
    times: int | None = Field(default=None, ge=1)
    """Calls in this mode at most; for each job, if it is for jobs."""
    job: str | None = None
    """Only this vendor job."""
    next_submissions: int | None = Field(default=None, ge=1)
    """Only the next submissions, and for the stages status and result their jobs."""
    picture: str | None = Field(default=None, pattern="^[0-9a-f]{64}$")
    """Only submissions of this picture: the SHA-256 of its bytes, or of its URL."""

    @model_validator(mode="before")
    @classmethod
    def _from_text(cls, value: object) -> object:
        """Parse `MODE[=AMOUNT][@SHARE]`, such as `status_429_seconds=3@0.1`."""
        if not isinstance(value, str):
            return value
        text, _, share = value.partition("@")
        mode, _, amount = text.partition("=")
        given = {"mode": mode, "amount": amount, "share": share}
        return {name: part for name, part in given.items() if part}

    @field_validator("mode", mode="before")
    @classmethod
    def _known(cls, value: object) -> object:
        """Suggest the nearest modes for an unknown one."""
        names = [mode.value for mode in Mode]
        if value in names:
            return value
        near = ", ".join(get_close_matches(str(value), names)) or ", ".join(WELL_BEHAVED.values())
        raise ValueError(f"there is no mode {value}; the nearest are {near}")

    @model_validator(mode="after")
    def _one_audience(self) -> Self:
        if self.job is not None and self.next_submissions is not None:
            msg = "give job or next_submissions, not both"
            raise ValueError(msg)
        if self.job is not None and self.mode.stage is Stage.SUBMIT:
            msg = "a job that has an id is submitted already; give a status_ or result_ mode for it"
            raise ValueError(msg)
        if self.picture is not None and (self.mode.stage is not Stage.SUBMIT or self.next_submissions is not None):
            msg = "give a picture for a submit_ mode only, and without next_submissions"
            raise ValueError(msg)
        return self


def _one_or_many(value: object) -> object:
    return value if isinstance(value, (list, tuple)) else [value]


Directions = Annotated[tuple[Direction, ...], BeforeValidator(_one_or_many)]
"""One direction or a list; each as an object or as text."""


class Cue(NamedTuple):
    """The mode and amount for one call."""

    mode: Mode
    amount: float = 0


@dataclass
class _Standing:
    direction: Direction
    left: int | None

    def applies_now(self) -> bool:
        """Count one call; return whether the direction still applies."""
        if self.left is None:
            return True
        self.left -= 1
        return self.left >= 0


class Script:
    """The directions in force."""

    def __init__(self, seed: int, directions: Directions = ()) -> None:
        """Add the directions in order."""
        self._seed = seed
        self.clear()
        for direction in directions:
            self.direct(direction)

    def clear(self) -> None:
        """Forget every direction."""
        self._standing: dict[Stage, _Standing] = {}
        self._upcoming: dict[Stage, deque[Direction]] = defaultdict(deque)
        self._by_job: dict[tuple[Stage, str], _Standing] = {}
        self._by_picture: dict[str, _Standing] = {}

    def direct(self, direction: Direction) -> None:
        """Add one direction."""
        stage = direction.mode.stage
        if direction.next_submissions is not None:
            self._upcoming[stage].extend([direction] * direction.next_submissions)
        elif direction.picture is not None:
            self._by_picture[direction.picture] = _Standing(direction, direction.times)
        elif direction.job is not None:
            self._by_job[stage, direction.job] = _Standing(direction, direction.times)
        else:
            self._standing[stage] = _Standing(direction, direction.times)

    def bind(self, job_id: str) -> None:
        """Assign the pending directions for the next submissions to this job."""
        for stage in (Stage.STATUS, Stage.RESULT):
            if self._upcoming[stage]:
                direction = self._upcoming[stage].popleft()
                self._by_job[stage, job_id] = _Standing(direction, direction.times)

    @property
    def names_pictures(self) -> bool:
        """Whether the cue for a submission depends on its picture."""
        return bool(self._by_picture)

    def submission(self, number: int, picture: str = "") -> Cue:
        """Return the cue for a submission; `number` counts those with the right key, `picture` is its SHA-256."""
        upcoming = self._upcoming[Stage.SUBMIT]
        next_one = _Standing(upcoming.popleft(), None) if upcoming else self._by_picture.get(picture)
        return self._first(Stage.SUBMIT, next_one, number)

    def poll(self, job_id: str, number: int) -> Cue:
        """Return the cue for the status call of this number about a job."""
        return self._first(Stage.STATUS, self._by_job.get((Stage.STATUS, job_id)), job_id, number)

    def result(self, job_id: str) -> Cue:
        """Return the cue for the result of a job: the same at every call, unless directions change."""
        return self._first(Stage.RESULT, self._by_job.get((Stage.RESULT, job_id)), job_id)

    def _first(self, stage: Stage, special: _Standing | None, *what: str | int) -> Cue:
        """Return the cue of the first direction that applies to this call."""
        for standing in (special, self._standing.get(stage)):
            if standing is not None and self._applies(standing, *what):
                direction = standing.direction
                amount = MODES[direction.mode].amount if direction.amount is None else direction.amount
                return Cue(direction.mode, amount)
        return Cue(WELL_BEHAVED[stage])

    def _applies(self, standing: _Standing, *what: str | int) -> bool:
        mode, share = standing.direction.mode, standing.direction.share
        drawn = share == 1 or stream(self._seed, mode, *what).random() < share
        return drawn and standing.applies_now()
