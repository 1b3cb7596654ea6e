"""The post: where tickets are sent. What somebody nearby takes at once is not mailed."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from swapline_producer.broker import Outbox
    from swapline_producer.contract import Ticket


class Post:
    """Sends tickets (an `Outbox`)."""

    def __init__(self, mail: Outbox) -> None:
        """Send by mail, as long as nobody is nearby."""
        self.mail = mail
        self.nearby: Callable[[Sequence[Ticket]], Sequence[Ticket]] = lambda tickets: tickets
        """Takes what it can; gives what must be mailed."""

    def send(self, tickets: Sequence[Ticket]) -> bool:
        """Send all; says whether they were taken."""
        return self.mail.send(self.nearby(tickets))
