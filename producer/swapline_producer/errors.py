"""Errors of producers, and of every other package. Every message says what, where, and what to do next."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from swapline_producer.contract.enums import FailureCode


class SwaplineError(Exception):
    """The root of all of Swapline's errors."""

    has_lines = False
    """Whether its line breaks are our own; else they are foreign text, and shown escaped."""


class SettingsError(SwaplineError):
    """Settings are missing or wrong; the message names all of them."""

    has_lines = True  # one for each setting


class WrongOwner(SettingsError):  # noqa: N818 -- it names the situation
    """The ledger or store is another vendor's or installation's; nothing was done."""

    has_lines = False


class RequestError(SwaplineError):
    """A request was refused; nothing was stored or spent.

    `field` of `SwapRequest`; `code`: the vendor's own, if any.
    """

    def __init__(self, message: str, *, field: str, code: FailureCode | None = None) -> None:
        """Keep field and code."""
        super().__init__(message)
        self.field = field
        self.code = code


class ImageError(RequestError):
    """The picture is not a JPEG, PNG or WebP, too large, or unreadable."""


class IdempotencyConflict(SwaplineError):  # noqa: N818 -- it names the situation, as HTTP's 409 does
    """The idempotency key came with another request before."""


class JobNotFound(SwaplineError):  # noqa: N818 -- the conventional name
    """The ledger has no such job."""


class BatchNotFound(SwaplineError):  # noqa: N818 -- the conventional name
    """The ledger has no such batch."""


class NotPossible(SwaplineError):  # noqa: N818 -- it names the situation
    """The job's state does not admit this; the message says what does."""


class VendorIdInUse(NotPossible):
    """Two jobs would share one id of the vendor's, and so their pictures."""

    def __init__(self, vendor_job_id: str, job_id: str, owner: str) -> None:
        """`owner` has the id."""
        self.owner = owner
        super().__init__(
            f"The vendor's id {vendor_job_id!r} is that of job {owner}, so it cannot be that of job {job_id}: look for"
            " both in the vendor's records."
        )


class StorageError(SwaplineError):
    """Object storage failed."""


class StorageUnavailable(StorageError):  # noqa: N818 -- it names the situation
    """Object storage could not be reached, or refused; try again later."""


class ObjectMissing(StorageError):  # noqa: N818 -- it names the situation
    """There is no such object."""


class UnreadableRecord(SwaplineError):  # noqa: N818 -- it names the situation
    """A newer release wrote the job's record, or it is damaged."""

    def __init__(self, job_id: str, field: str) -> None:
        """`field` is the first that does not fit."""
        super().__init__(
            f"The record of job {job_id} cannot be read (its {field}): a newer release wrote it, or it is damaged; use"
            " the release that the workers use."
        )


class LedgerUnavailable(SwaplineError):  # noqa: N818 -- it names the situation
    """Redis could not be reached; nothing is known to have been written."""


class LedgerSettling(LedgerUnavailable):
    """Redis has just been started again, or another server promoted: an attempt has to wait for these seconds."""

    def __init__(self, seconds: float) -> None:
        """Keep the seconds."""
        super().__init__(
            f"Another Redis server answers, and may lack the last writes: paid calls begin in {seconds:.1f} s, when"
            " workers have written what they know."
        )
        self.seconds = seconds


class NotReplicated(LedgerUnavailable):
    """It is written, but a fail-over could lose it."""

    def __init__(self, what: str) -> None:
        """Say what was written."""
        super().__init__(
            f"{what} is written, but a fail-over could forget it: fewer replicas have it than"
            " SWAPLINE_REDIS_REPLICAS asks for; look after the replicas."
        )


class WebhookVerificationError(SwaplineError):
    """A received webhook is not from us, or too old."""
