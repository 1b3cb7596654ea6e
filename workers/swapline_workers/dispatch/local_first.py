"""Publish messages that this process does not run itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from swapline_producer.contract import StepMessage
    from swapline_producer.messaging.publisher import Publisher


class LocalFirstPublisher:
    """A `Publisher`."""

    def __init__(self, publisher: Publisher) -> None:
        """Publish everything until `try_local` is replaced."""
        self.publisher = publisher
        self.try_local: Callable[[Sequence[StepMessage]], Sequence[StepMessage]] = lambda messages: messages
        """Runs messages here; returns those to publish."""

    def send(self, messages: Sequence[StepMessage]) -> bool:
        """Send all; return whether they were taken."""
        return self.publisher.send(self.try_local(messages))
