"""batch.completed: once, when all jobs of a batch have ended, whatever is killed on the way."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from support.redis.fixtures import new_job, waited_for
from swapline_producer import Producer, ProducerSettings, SwapRequest
from swapline_producer.contract import BatchEvent, FailureCode, Gender, Job, Notification, State, Step
from swapline_producer.contract.answers import Advanced
from swapline_producer.contract.changes import Change
from swapline_producer.errors import BatchNotFound, JobNotFound, RequestError
from swapline_producer.testing import FakeProducer
from swapline_workers.core.lifecycle import ROUTES

if TYPE_CHECKING:
    from pathlib import Path

    from support.programs.installation import Installation, Receiver
    from support.redis.fixtures import Time
    from swapline_producer.ledger import Ledger

HOOK = "https://shop.example/hook"


def enqueue(ledger: Ledger, *job_ids: str, **more: Any) -> None:
    for job_id in job_ids:
        ledger.intake.accept(new_job(job_id, **{"batch": "spring", **more}))


def end(ledger: Ledger, job_id: str, to: State = State.SUCCEEDED, **fields: Any) -> Job:
    advanced = ledger.transitions.advance(ledger.jobs.get(job_id), Change(to=to, fields=fields))
    assert isinstance(advanced, Advanced)
    return advanced.job


def due_batches(ledger: Ledger) -> list[str]:
    return [message.job_id for message in ledger.transitions.claim(ROUTES).messages if message.step is Step.NOTIFY]


def settle(ledger: Ledger, to: Notification) -> None:
    batch = ledger.batches.completed("spring")
    assert batch is not None
    change = Change(to=State.SUCCEEDED, fields={"notification": to, "notify_attempts": 1})
    assert ledger.batches.advance(batch, change, token="t")


def test_it_is_completed_when_it_is_sealed_and_the_last_job_has_ended(ledger: Ledger) -> None:
    enqueue(ledger, "a", "b", "c")
    end(ledger, "a", credits=2)
    end(ledger, "b", State.FAILED, failure_code=FailureCode.LOST, credits=2)
    assert ledger.batches.seal("spring", HOOK).model_dump() == {"jobs": 3, "finished": 2, "completed": False}
    assert (ledger.batches.completed("spring"), due_batches(ledger)) == (None, [])
    end(ledger, "c", State.CANCELED, failure_code=FailureCode.CANCELED)
    batch = ledger.batches.completed("spring")
    assert batch is not None
    assert (batch.webhook_url, batch.tenant, batch.notification) == (HOOK, "default", Notification.PENDING)
    assert batch.counts.model_dump() == {
        "jobs": 3,
        "credits": 4,
        "states": {"SUCCEEDED": 1, "FAILED": 1, "CANCELED": 1},
        "failures": {"LOST": 1, "CANCELED": 1},
    }
    assert due_batches(ledger) == ["batch:default:spring"]


def test_it_is_completed_by_the_seal_when_all_jobs_have_ended_before(ledger: Ledger) -> None:
    enqueue(ledger, "a", "b")
    end(ledger, "a")
    end(ledger, "b")
    assert due_batches(ledger) == []
    assert ledger.batches.seal("spring", HOOK).completed
    assert due_batches(ledger) == ["batch:default:spring"]


def test_sealing_it_again_tells_nobody_again(ledger: Ledger) -> None:
    enqueue(ledger, "a")
    end(ledger, "a")
    ledger.batches.seal("spring", HOOK)
    before = ledger.batches.completed("spring")
    assert ledger.batches.seal("spring", HOOK).completed
    assert ledger.batches.completed("spring") == before
    settle(ledger, Notification.DELIVERED)
    assert ledger.batches.seal("spring", HOOK).completed
    assert due_batches(ledger) == []


def test_jobs_that_join_later_complete_it_once_more_under_another_id(ledger: Ledger) -> None:
    enqueue(ledger, "a")
    end(ledger, "a")
    ledger.batches.seal("spring", HOOK)
    settle(ledger, Notification.DELIVERED)
    enqueue(ledger, "b")
    end(ledger, "b")
    assert due_batches(ledger) == []
    ledger.batches.seal("spring", HOOK)
    batch = ledger.batches.completed("spring")
    assert batch is not None
    assert (batch.round, batch.counts.jobs, due_batches(ledger)) == (2, 2, ["batch:default:spring"])


def test_a_job_that_replaces_a_failed_one_counts_in_its_place(ledger: Ledger) -> None:
    enqueue(ledger, "a", idempotency_key="row-1")
    end(ledger, "a", State.FAILED, failure_code=FailureCode.LOST, credits=2)
    ledger.intake.accept(new_job("b", batch="spring", idempotency_key="row-1", replace_failed=True))
    assert ledger.batches.seal("spring", HOOK).model_dump() == {"jobs": 1, "finished": 0, "completed": False}
    end(ledger, "b", credits=2)
    batch = ledger.batches.completed("spring")
    assert batch is not None
    assert batch.counts.model_dump() == {"jobs": 1, "credits": 2, "states": {"SUCCEEDED": 1}, "failures": {}}


def test_a_row_that_is_enqueued_twice_counts_once(ledger: Ledger) -> None:
    for _ in range(2):
        enqueue(ledger, "a", idempotency_key="row-1")
    ledger.intake.accept(new_job("b", batch="spring", idempotency_key="row-1"))
    assert ledger.batches.seal("spring", HOOK).jobs == 1


def test_a_job_without_a_batch_writes_nothing_about_batches(ledger: Ledger) -> None:
    ledger.intake.accept(new_job("a"))
    end(ledger, "a")
    assert list(ledger.client.scan_iter(f"{ledger.prefix}:*batch*")) == []


def test_what_was_given_up_is_in_an_index_of_its_own_and_leaves_it_when_it_is_sent_again(ledger: Ledger) -> None:
    enqueue(ledger, "a", webhook_url=HOOK)
    job = end(ledger, "a", notification=Notification.DEAD, notify_attempts=10)
    ledger.batches.seal("spring", HOOK)
    settle(ledger, Notification.DEAD)
    assert (ledger.webhooks.failing_ids("dead"), ledger.webhooks.failing_ids("dead", batches=True)) == (
        ["a"],
        ["batch:default:spring"],
    )
    assert ledger.webhooks.failing_counts() == {"dead": 2, "retrying": 0}
    again: dict[str, Any] = {"notification": Notification.PENDING, "notify_attempts": 0}
    moved_on = ledger.transitions.advance(job, Change(to=job.state, fields=again, due_in=0))
    assert isinstance(moved_on, Advanced)
    assert ledger.webhooks.failing_counts() == {"dead": 1, "retrying": 0}
    failed = {"notification": Notification.PENDING, "notify_attempts": 1}
    retried = ledger.transitions.advance(moved_on.job, Change(to=job.state, fields=failed, due_in=5))
    assert isinstance(retried, Advanced)
    assert ledger.webhooks.failing_ids("retrying") == ["a"]
    settled = {"notification": Notification.DELIVERED, "notify_attempts": 2}
    assert isinstance(ledger.transitions.advance(retried.job, Change(to=job.state, fields=settled)), Advanced)
    assert ledger.webhooks.failing_counts() == {"dead": 1, "retrying": 0}


def test_the_index_forgets_jobs_whose_record_has_gone(ledger: Ledger, time: Time) -> None:
    enqueue(ledger, "a", webhook_url=HOOK)
    end(ledger, "a", notification=Notification.DEAD, notify_attempts=10)
    ledger.client.delete(f"{ledger.prefix}:job:a")
    time.pass_(31 * 86_400)
    ledger.client.delete(f"{ledger.prefix}:trimmed")
    ledger.transitions.claim(ROUTES)
    assert ledger.webhooks.failing_ids("dead") == []


def test_a_batch_that_nobody_enqueued_cannot_be_sealed_and_is_no_job(ledger: Ledger) -> None:
    with pytest.raises(BatchNotFound):
        ledger.batches.seal("spring", HOOK)
    enqueue(ledger, "a")
    with pytest.raises(JobNotFound):
        ledger.jobs.get("batch:default:spring")
    assert ledger.jobs.get_many(["a", "batch:default:spring"]) == [ledger.jobs.get("a")]


def test_the_producer_refuses_what_is_no_url_and_the_fake_one_seals_as_well(ledger: Ledger) -> None:
    class Nobody:
        def send(self, messages: object) -> bool:
            return bool(messages)

    producer = Producer(ProducerSettings(key_prefix=ledger.prefix), ledger, Nobody(), None)
    with pytest.raises(RequestError, match="webhook_url"):
        producer.seal_batch("spring", "shop.example/hook")
    fake = FakeProducer(at_once=True)
    fake.enqueue(SwapRequest(image="https://a.example/a.jpg", gender=Gender.MALE, filter_id=1, batch="spring"))
    assert fake.seal_batch("spring", HOOK).completed
    with pytest.raises(BatchNotFound):
        fake.seal_batch("summer", HOOK)


def test_a_batch_of_a_manifest_is_delivered_once_with_its_counts(
    installation: Installation, receiver: Receiver
) -> None:
    rows = "".join(f"https://pictures.example/{number}.jpg\n" for number in range(6))
    (installation.store.parent / "spring.csv").write_text("image\n" + rows)
    command = ("batch", "run", "spring.csv", "--set", "gender=male", "--set", "filter_id=12")
    with installation.worker():
        assert installation.cli(*command, "--webhook-url", receiver.url, "--watch").returncode == 0
        webhook_id, event = receiver.batches.get(timeout=60)
        assert installation.cli(*command, "--webhook-url", receiver.url, "--watch").returncode == 0
    assert (event.data.batch, event.data.jobs, event.data.credits) == ("spring", 6, 12)
    assert (event.data.states, event.data.failures) == ({State.SUCCEEDED: 6}, {})
    assert webhook_id.startswith("msg_batch_")
    assert receiver.batches.empty()


def test_a_webhook_url_that_leads_to_a_private_place_is_refused_before_anything_is_enqueued(
    installation: Installation, tmp_path: Path
) -> None:
    (tmp_path / "spring.csv").write_text("image,gender,filter_id\nhttps://pictures.example/1.jpg,male,12\n")
    moved_on = installation.cli(
        "batch",
        "run",
        "spring.csv",
        "--webhook-url",
        "https://169.254.169.254/",
        SWAPLINE_WEBHOOK_ALLOW_PRIVATE="false",
    )
    assert (moved_on.returncode, "not public" in moved_on.stderr) == (2, True)
    assert installation.producer().ledger.batches.job_ids("spring") == []


def test_a_worker_killed_before_and_after_the_first_attempt_loses_no_event_and_makes_no_second_one(
    installation: Installation, receiver: Receiver
) -> None:
    installation.more |= {"SWAPLINE_WEBHOOK_SCHEDULE": "0,1,1,1,1,1,1,1", "SWAPLINE_RESCUE_AFTER": "2"}
    producer = installation.producer()
    request = SwapRequest(image="https://a.example/a.jpg", gender=Gender.MALE, filter_id=1, batch="spring")
    job_id = producer.enqueue(request).job_id
    producer.cancel(job_id)
    receiver.answers = [500, 500]
    assert producer.seal_batch("spring", receiver.url).completed
    first: tuple[str, BatchEvent]
    with installation.worker() as worker:
        first = receiver.batches.get(timeout=60)
        worker.kill()
    with installation.worker():
        later = [receiver.batches.get(timeout=60) for _ in range(2)]
        waited_for(lambda: _notification(producer) is Notification.DELIVERED)
    assert later == [first, first]


def _notification(producer: Producer) -> Notification | None:
    batch = producer.ledger.batches.completed("spring")
    return batch.notification if batch else None
