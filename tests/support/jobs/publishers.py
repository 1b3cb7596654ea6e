"""Publishers that send nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from swapline_producer.contract import StepMessage


class RecordingPublisher:
    """Keeps the messages that it is given."""

    def __init__(self) -> None:
        self.messages: list[StepMessage] = []

    def send(self, messages: Sequence[StepMessage]) -> bool:
        self.messages += messages
        return True


class NullPublisher:
    """Drops the messages that it is given."""

    def send(self, messages: Sequence[StepMessage]) -> bool:  # noqa: ARG002 -- the protocol's shape
        return True
