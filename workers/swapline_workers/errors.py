"""Errors that adapters raise. Steps read nothing else."""

from __future__ import annotations

from swapline_producer.contract import FailureCode


class WorkerError(Exception):
    """The root of what adapters raise."""


class VendorError(WorkerError):
    """A call to the vendor failed."""

    def __init__(self, message: str, *, evidence: dict[str, str | int] | None = None) -> None:
        """`evidence`: what the vendor said, short and without secrets (`status`, `body`, `error`)."""
        super().__init__(message)
        self.evidence = evidence or {}


class NotSent(VendorError):  # noqa: N818 -- the names tell what happened, not that it was an error
    """The connection was never made."""


class Throttled(VendorError):  # noqa: N818
    """429, or a refusal for the same reason: we are too fast, or over the cap."""

    def __init__(
        self,
        message: str,
        *,
        retry_after: float | None = None,
        evidence: dict[str, str | int] | None = None,
    ) -> None:
        """Keep `retry_after` in seconds."""
        super().__init__(message, evidence=evidence)
        self.retry_after = retry_after


class Refused(VendorError):  # noqa: N818
    """The vendor read the request and refused it, uncharged."""

    def __init__(
        self,
        message: str,
        *,
        code: FailureCode,
        evidence: dict[str, str | int] | None = None,
    ) -> None:
        """`code`: the vendor's, or VENDOR_REJECTED."""
        super().__init__(message, evidence=evidence)
        self.code = code


class Unauthorized(VendorError):  # noqa: N818
    """401, 403: the vendor refuses the key."""


class OutOfCredits(VendorError):  # noqa: N818
    """402: the account has no credits left."""


class NotFound(VendorError):  # noqa: N818
    """404 and others: the vendor knows no such address or job."""


class Unclear(VendorError):  # noqa: N818
    """Any other failure: the call may have run."""

    def __init__(
        self, message: str, *, evidence: dict[str, str | int] | None = None, code: FailureCode | None = None
    ) -> None:
        """`code`: of a job that ends for this."""
        super().__init__(message, evidence=evidence)
        self.code = code


class MisdirectedReply(Unclear):
    """A status reply that names another job."""


class OutputMissing(WorkerError):  # noqa: N818
    """COMPLETED without a picture."""

    code = FailureCode.OUTPUT_MISSING


class OutputInvalid(WorkerError):  # noqa: N818
    """COMPLETED without a whole picture."""

    code = FailureCode.OUTPUT_INVALID


class TooManyPictures(OutputInvalid):
    """COMPLETED with more pictures than the setting admits."""

    code = FailureCode.OUTPUT_TOO_MANY


class WebhookFailed(WorkerError):  # noqa: N818
    """A delivery failed."""

    def __init__(
        self,
        message: str,
        *,
        status: int | None = None,
        gone: bool = False,
        retry_after: float | None = None,
        response_sha256: str | None = None,
        ours: bool = False,
    ) -> None:
        """`gone`: 410. `retry_after`, `seconds`: in seconds. `ours`: the receiver was not asked."""
        super().__init__(message)
        self.status = status
        self.gone = gone
        self.retry_after = retry_after
        self.response_sha256 = response_sha256
        self.ours = ours
        self.seconds: float | None = None


class WebhookForbidden(WebhookFailed):
    """The webhook's address must not be called; no socket was opened."""
