"""The post: where tickets are sent. What somebody nearby takes at once is not mailed."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from swapline_producer.contract import StepMessage
    from swapline_producer.messaging.publisher import Publisher


class LocalFirstPublisher:
    """Sends tickets (an `Publisher`)."""

    def __init__(self, publisher: Publisher) -> None:
        """Send by mail, as long as nobody is nearby."""
        self.publisher = publisher
        self.try_local: Callable[[Sequence[StepMessage]], Sequence[StepMessage]] = lambda messages: messages
        """Takes what it can; gives what must be mailed."""

    def send(self, messages: Sequence[StepMessage]) -> bool:
        """Send all; says whether they were taken."""
        return self.publisher.send(self.try_local(messages))
