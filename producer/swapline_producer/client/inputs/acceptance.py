"""Store input pictures, then have their jobs accepted.

The numbers of deletions tell whether a picture is still there. Else it is held for the job, stored again if it is
missing, and the job is offered again (docs/decisions/0023).
"""

from __future__ import annotations

import time
from collections import OrderedDict
from typing import TYPE_CHECKING, NamedTuple

from swapline_producer.errors import ObjectMissing, StorageUnavailable, SwaplineError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from swapline_producer.contract import NewJob, StoredImage
    from swapline_producer.contract.answers import Accepted
    from swapline_producer.ledger import Ledger
    from swapline_producer.storage import Storage

DELETION_TIMEOUT_S = 10.0
"""For a deletion of the same picture; a longer one was killed."""

REMEMBERED = 1000
"""Pictures that this process has stored."""

REMEMBERED_S = 60.0
"""Then they are stored again: they may have been deleted by hand."""


class Input(NamedTuple):
    """A picture to be stored."""

    image: StoredImage
    data: bytes


class Draft(NamedTuple):
    """A job to be accepted, with its picture where that may have to be stored again."""

    job: NewJob
    input: Input | None = None


class Acceptance:
    """Thread-safe: a number of deletions that comes late is too low, which does no harm."""

    def __init__(self, ledger: Ledger, store: Callable[[], Storage]) -> None:
        """`store` returns the store, or raises."""
        self._ledger = ledger
        self._store = store
        self._last_deletion: int | None = None
        self._stored: OrderedDict[str, tuple[int, float]] = OrderedDict()
        self._others_store_them = False

    def store(self, picture: Input, job_id: str) -> int | None:
        """Store an input; return the last deletion before, or None where it is held. Raises StorageError."""
        image = picture.image
        deletion, until = self._stored.get(image.sha256, (0, 0.0))
        if time.monotonic() < until:
            return deletion
        if self._others_store_them:  # a hold tells whether it is there without sending it
            self._others_store_them = self._hold(picture, job_id)
            return None
        if self._last_deletion is None:
            self._last_deletion = self._ledger.retention.last_deletion()
        deletion = self._last_deletion
        self._others_store_them = not self._store().put_once(image.key, picture.data, image.media_type)
        self._remember(image, deletion)
        return deletion

    def accept(self, draft: Draft) -> Accepted:
        """Write a job. Raises as `Intake.accept`, StorageError."""
        try:
            accepted = self._ledger.intake.accept(draft.job)
        except ObjectMissing:
            accepted = self._ledger.intake.accept(self._held(draft))
        self._learn(accepted)
        return accepted

    def accept_many(self, drafts: Sequence[Draft]) -> list[Accepted | SwaplineError]:
        """Write many jobs in one round trip. Raises as `Intake.accept_many`."""
        answers = self._ledger.intake.accept_many([draft.job for draft in drafts])
        for number, (draft, answer) in enumerate(zip(drafts, answers, strict=True)):
            if isinstance(answer, ObjectMissing):
                answers[number] = self._accept_held(draft)
            elif not isinstance(answer, SwaplineError):
                self._learn(answer)
        return answers

    def _accept_held(self, draft: Draft) -> Accepted | SwaplineError:
        try:
            return self._ledger.intake.accept_many([self._held(draft)])[0]
        except SwaplineError as error:
            return error

    def _held(self, draft: Draft) -> NewJob:
        if draft.input is not None:
            self._hold(draft.input, draft.job.job_id, stored=draft.job.stored_after is not None)
        return draft.job._replace(stored_after=None)

    def _hold(self, picture: Input, job_id: str, *, stored: bool = False) -> bool:
        """Hold an input for a job; store it if it is missing, and return whether it was there.

        `stored`: it was a moment ago.
        """
        image, store = picture.image, self._store()
        give_up_at = time.monotonic() + DELETION_TIMEOUT_S
        while (hold := self._ledger.retention.hold_input(image.sha256, job_id)).wait is not None:
            if time.monotonic() > give_up_at:
                wait = f"{hold.wait:.0f} s more at most"
                raise StorageUnavailable(
                    f"The same picture is being deleted from object storage, for {wait}; try again."
                )
            time.sleep(0.02)  # a deletion takes milliseconds in a folder, and some tens in a bucket
        there = (hold.there or stored) and store.head(image.key) == image.size
        if not there:
            store.put_once(image.key, picture.data, image.media_type)
        self._last_deletion = hold.deletion
        self._remember(image, hold.deletion)
        return there

    def _learn(self, accepted: Accepted) -> None:
        if accepted.deletion is not None:
            self._last_deletion = accepted.deletion

    def _remember(self, image: StoredImage, deletion: int) -> None:
        self._stored[image.sha256] = (deletion, time.monotonic() + REMEMBERED_S)
        while len(self._stored) > REMEMBERED:
            self._stored.popitem(last=False)
