"""Deliberate faults of the steps, of what workers keep in memory, and of cancellation."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

from simulation.mutant import Mutant, changed, fields
from swapline_producer.client import cancel as cancel_module
from swapline_producer.contract import FailureCode, Notification, State, Step, transitions
from swapline_producer.contract.answers import LostRace
from swapline_producer.errors import LedgerUnavailable
from swapline_producer.storage.keys import receipt_key
from swapline_producer.storage.receipts import receipt_of
from swapline_workers import errors
from swapline_workers.adapters.pictures import PictureStore
from swapline_workers.core.outcomes import STALE, Stop
from swapline_workers.runtime.due_dispatcher import DueDispatcher
from swapline_workers.runtime.session.attempts import Attempts
from swapline_workers.runtime.session.leases import Leases
from swapline_workers.runtime.session.outage import OutageRetry
from swapline_workers.settings import AmbiguousSubmit
from swapline_workers.steps import collect, delivery, finalize, notify, poll, refusals, status, storing, submit
from swapline_workers.steps.decision import carry_out, end

if TYPE_CHECKING:
    from collections.abc import Callable


def _receipt_first(self: Any, job: Any, pictures: Any) -> None:
    self._storage.put(receipt_key(job), receipt_of(job, [picture.known for picture in pictures]), "application/json")
    for picture in pictures:
        for key, data in picture.files:
            self._storage.put(key, data, "image/png")


def _no_receipt(self: Any, job: Any, pictures: Any) -> None:
    assert job
    for picture in pictures:
        for key, data in picture.files:
            self._storage.put(key, data, "image/png")


def _ended_before_stored(real: Any) -> Any:
    def store(job: Any, place: Any, ports: Any, learned: Any) -> Any:
        pictures = place.pictures
        images = tuple(picture.known for picture in pictures)
        change = transitions.succeeded(job, images, rescue_after=15.0, learned=learned)
        done = carry_out(end(job, change), ports.writes.advance)
        ports.pictures.store(job, pictures)
        assert real
        return done

    return store


def _marked_before_sent(real: Any) -> Any:
    def deliver(job: Any, at: int, ports: Any) -> Any:
        if job.notification is Notification.PENDING and job.spec.webhook_url:
            change = transitions.notified(job, Notification.DELIVERED, 1, retry_in=None, facts={})
            written = ports.writes.advance(job, change)
            if isinstance(written, LostRace):
                return STALE
        return real(job, at, ports)

    return deliver


def _paid_again(real: Any) -> Any:
    def ready(job: Any, at: int, ports: Any) -> Any:
        return job if job.state is State.SUBMITTING else real(job, at, ports)

    return ready


def _made_again(real: Any) -> Any:
    def unknown(job: Any, ports: Any, reason: str, evidence: Any) -> Any:
        policy = replace(ports.policy, on_ambiguous_submit=AmbiguousSubmit.RETRY)
        return real(job, replace(ports, policy=policy), reason, evidence)

    return unknown


def _unclear_is_refused(real: Any) -> Any:
    def not_accepted(job: Any, ports: Any, error: Any) -> Any:
        return real(job, ports, errors.NotSent("no answer") if isinstance(error, errors.Unclear) else error)

    return not_accepted


def _not_sent_is_unclear(real: Any) -> Any:
    def not_accepted(job: Any, ports: Any, error: Any) -> Any:
        return real(job, ports, errors.Unclear("no answer") if isinstance(error, errors.NotSent) else error)

    return not_accepted


def _fails_at_once(real: Any) -> Any:
    def no_answer(job: Any, error: Any, ports: Any) -> Any:
        assert real
        assert ports
        return end(job, transitions.failed(job, FailureCode.VENDOR_FAILED, str(error), rescue_after=15.0))

    return no_answer


def _store_fails_at_once(real: Any) -> Any:
    def try_again(job: Any, ports: Any, reason: str, learned: Any, **_more: Any) -> Any:
        assert real
        return storing.give_up(job, ports, FailureCode.STORAGE_FAILED, reason, learned)

    return try_again


def _write_id_once(self: Any, ask: Callable[[], Any], job: Any, result: Any) -> Any:
    assert self is not None
    assert result is not None
    try:
        return ask()
    except LedgerUnavailable:
        return LostRace() if job.state is State.SUBMITTING else job


def _last_delivery_counts(real: Any) -> Any:
    def failed(record: Any, endpoint: Any, error: Any, ports: Any) -> Any:
        facts = real(record, endpoint, error, ports).change.data
        attempts = record.notify_attempts + 1
        change = transitions.notified(record, Notification.DELIVERED, attempts, retry_in=None, facts=facts)
        return delivery.Delivery(change, Stop("delivered"))

    return failed


def _dies_of_an_outage(self: Any, error: Exception) -> float:
    self._stopped = True
    assert error
    return 0.0


def _wrong_picture(real: Any) -> Any:
    last: list[Any] = []

    def read(job: Any, reply: Any) -> Any:
        pictures = real(job, reply)
        last.append(pictures[0].data)
        return tuple(picture._replace(data=last[-2] if len(last) > 1 else picture.data) for picture in pictures)

    return read


def _id_of_attempt(real: Any) -> Any:
    return lambda job: f"{real(job)}-{job.notify_attempts}"


def _no_lease(self: Any) -> list[Any]:
    assert self
    return []


def _late_reply_dropped(job: Any, ports: Any, change: Any) -> None:
    assert job
    assert ports
    assert change


STEP_MUTANTS = (
    Mutant("a refused call is not refunded", python=fields("failed", refund=False)),
    Mutant("a job that is held is refunded", python=fields("held", refund=True)),
    Mutant("the attempt is not written", python=fields("attempted", fields={"attempt_open": ...})),
    Mutant("an attempt stays open", python=fields("submitted", fields={"attempt_open": True})),
    Mutant("a charge is not recorded", python=fields("submitted", fields={"credits": 0})),
    Mutant("a refused job leaves the line for good", python=fields("refused", in_line=False, trip=None)),
    Mutant("a job that ends is not due for its webhook", python=fields("succeeded", due_in=None)),
    Mutant("a completed job is not due", python=fields("completed", due_in=None)),
    Mutant("a try to store is the last one", python=fields("not_stored", due_in=None)),
    Mutant("whatever the policy, an unknown call is made again", python=changed(submit, "_unknown", _made_again)),
    Mutant("an open attempt is paid again", python=changed(submit, "_ready", _paid_again)),
    Mutant("a lost reply counts as never sent", python=changed(submit, "_not_accepted", _unclear_is_refused)),
    Mutant("a call that was never sent is held", python=changed(submit, "_not_accepted", _not_sent_is_unclear)),
    Mutant(
        "a reply that comes late is dropped", python=lambda: [patch.object(submit, "_write_late", _late_reply_dropped)]
    ),
    Mutant(
        "the vendor's id is written once, whether or not Redis answers",
        python=lambda: [patch.object(OutageRetry, "until_answered", _write_id_once)],
    ),
    Mutant(
        "an attempt that Redis has lost is not written again",
        python=lambda: [patch.object(Attempts, "restore", lambda _: None)],
    ),
    Mutant("a poll without news fails the job", python=changed(poll, "_no_answer", _fails_at_once)),
    Mutant(
        "one 404 means that a job is lost",
        python=lambda: [patch.object(status, "forgotten", lambda *_: True)],
    ),
    Mutant("a store that is away fails the job", python=changed(finalize, "try_again", _store_fails_at_once)),
    Mutant(
        "the receipt is written before its picture",
        python=lambda: [patch.object(PictureStore, "store", _receipt_first)],
    ),
    Mutant("no receipt is written", python=lambda: [patch.object(PictureStore, "store", _no_receipt)]),
    Mutant("a job succeeds before its pictures are stored", python=changed(finalize, "_store", _ended_before_stored)),
    Mutant("a job gets the picture of the job before", python=changed(collect, "read", _wrong_picture)),
    Mutant(
        "a webhook is marked before it is sent",
        python=lambda: [patch.dict("swapline_workers.tasks.STEPS", {Step.NOTIFY: _marked_before_sent(notify.notify)})],
    ),
    Mutant("a webhook that failed counts as delivered", python=changed(delivery, "_failed", _last_delivery_counts)),
    Mutant("each attempt of a webhook has an id of its own", python=changed(notify, "webhook_id", _id_of_attempt)),
    Mutant(
        "a due dispatcher dies of an outage", python=lambda: [patch.object(DueDispatcher, "_lost", _dies_of_an_outage)]
    ),
    Mutant("leased jobs are not known", python=lambda: [patch.object(Leases, "all", _no_lease)]),
    Mutant(
        "a paid call may be canceled as if it had not begun",
        python=lambda: [
            patch.object(cancel_module, "_at_the_vendor", lambda job: job.state in {State.RUNNING, State.STORING})
        ],
    ),
    Mutant(
        "a refusal of the account fails the job",
        python=changed(
            submit,
            "refused",
            lambda real: (
                lambda job, ports, error: (
                    refusals.fail_uncharged(job, ports, FailureCode.STORAGE_FAILED, str(error), {}) if real else None
                )
            ),
        ),
    ),
)
