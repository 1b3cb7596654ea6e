"""What follows a write: messages, and wake-ups of the due dispatcher."""

from __future__ import annotations

from typing import TYPE_CHECKING

from swapline_producer.contract import Step, StepMessage

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from swapline_producer.contract import Job
    from swapline_producer.messaging.publisher import Publisher


class Dispatch:
    """Sends steps and schedules wake-ups. Thread-safe."""

    def __init__(self, publisher: Publisher, schedule_wakeup: Callable[[int], None]) -> None:
        """Call `schedule_wakeup` with each due time (UTC milliseconds)."""
        self._publisher = publisher
        self._schedule_wakeup = schedule_wakeup

    def send(self, step: Step, job: Job) -> None:
        """Send a job on to its next step."""
        self.send_messages([StepMessage(step=step, job_id=job.job_id, version=job.version)])

    def send_messages(self, messages: Sequence[StepMessage]) -> None:
        """Send the jobs that a write gave a slot."""
        self._publisher.send(messages)

    def wake_up_at(self, *times: int | None) -> None:
        """Wake the due dispatcher at these times; None is skipped."""
        for time in times:
            if time is not None:
                self._schedule_wakeup(time)
