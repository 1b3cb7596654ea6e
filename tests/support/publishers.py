"""An outbox that sends nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from swapline_producer.contract import StepMessage


class RecordingPublisher:
    """Keeps what it is given to send."""

    def __init__(self) -> None:
        self.messages: list[StepMessage] = []

    def send(self, messages: Sequence[StepMessage]) -> bool:
        self.messages += messages
        return True
