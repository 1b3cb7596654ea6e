"""What a command needs of the installation, built when it is needed: `--help` waits for nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from swapline_producer.ledger import Ledger
    from swapline_producer.producer import Producer


def producer() -> Producer:
    """Everything that a backend has."""
    from swapline_producer.producer import Producer  # noqa: PLC0415 -- celery is not loaded for --help

    return Producer.from_env()


def ledger() -> Ledger:
    """The ledger alone, for commands that only look: Celery takes half a second to load."""
    from swapline_producer.ledger import open_ledger  # noqa: PLC0415 -- redis is not loaded for --help
    from swapline_producer.settings import ProducerSettings, load  # noqa: PLC0415 -- beside its use

    return open_ledger(load(ProducerSettings))
