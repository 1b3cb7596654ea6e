"""What a command needs of the installation, built on use."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from swapline_producer.errors import SettingsError, StorageError

if TYPE_CHECKING:
    from swapline_producer.contract import Job
    from swapline_producer.ledger import Ledger
    from swapline_producer.producer import Producer

BY = "cli"
"""Who has decided, in jobs' logs: a person at the command line."""

LINK_LIFE_S = 3600.0
"""Long enough to open a link, short in a terminal's log."""

SIGN_TIMEOUT_S = 5.0
"""To find a cloud's credentials, perhaps from a server."""


def producer() -> Producer:
    """Return everything that a backend has."""
    from swapline_producer.producer import Producer  # noqa: PLC0415 -- not loaded for --help

    return Producer.from_env(by=BY)


def ledger() -> Ledger:
    """Return the ledger alone: Celery takes half a second to load."""
    from swapline_producer.ledger import open_ledger  # noqa: PLC0415 -- not loaded for --help
    from swapline_producer.settings import ProducerSettings, load  # noqa: PLC0415 -- beside its use

    return open_ledger(load(ProducerSettings))


def links(job: Job) -> dict[str, str]:
    """Return URLs of a job's pictures by key; none without access to the store."""
    from swapline_producer.settings import ProducerSettings, load  # noqa: PLC0415 -- beside its use
    from swapline_producer.storage import open_storage  # noqa: PLC0415 -- beside its use

    settings = load(ProducerSettings)
    if not (job.images and settings.storage_url):
        return {}
    with suppress(SettingsError, StorageError):
        store = open_storage(settings.storage_url, timeout=SIGN_TIMEOUT_S, public_url=settings.storage_public_url)
        return {image.key: store.url(image.key, LINK_LIFE_S) for image in job.images}
    return {}
