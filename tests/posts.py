"""An outbox that sends nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from swapline_producer.contract import Ticket


class Post:
    """Keeps what it is given to send."""

    def __init__(self) -> None:
        self.tickets: list[Ticket] = []

    def send(self, tickets: Sequence[Ticket]) -> bool:
        self.tickets += tickets
        return True
