"""One id of the vendor's is one job's: any other is refused, and nothing of the index remains."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, cast

import pytest

from support.jobs.publishers import NullPublisher
from support.redis.fixtures import new_job
from swapline_producer.contract import FailureCode, Job, State, Step
from swapline_producer.contract.answers import Advanced
from swapline_producer.contract.changes import Change
from swapline_producer.errors import NotPossible, VendorIdInUse
from swapline_producer.operations.recovery import Recovery

if TYPE_CHECKING:
    from support.programs.installation import Installation
    from swapline_producer.ledger import Ledger

DAY_MS = 86_400_000


def moved(ledger: Ledger, job: Job, to: State, **fields: str | None) -> Job:
    advanced = ledger.transitions.advance(job, Change(to=to, fields=dict(fields), due_in=None if to.finished else 10))
    assert isinstance(advanced, Advanced)
    return advanced.job


def accepted(ledger: Ledger, job_id: str) -> Job:
    ledger.intake.accept(new_job(job_id))
    return ledger.jobs.get(job_id)


def running(ledger: Ledger, job_id: str, vendor_job_id: str) -> Job:
    return moved(ledger, accepted(ledger, job_id), State.RUNNING, vendor_job_id=vendor_job_id)


def recovery(ledger: Ledger) -> Recovery:
    return Recovery(ledger, NullPublisher())


def index(ledger: Ledger) -> dict[str, tuple[str, int]]:
    """Vendor's id -> job, and the milliseconds until it is forgotten: -1 where it is not."""
    start = f"{ledger.prefix}:vendor_id:"
    names = [str(name) for name in ledger.client.scan_iter(f"{start}*")]
    return {
        name.removeprefix(start): (cast("str", ledger.client.get(name)), ledger.client.pttl(name)) for name in names
    }


def test_an_id_that_is_given_twice_is_refused_the_second_time_and_nothing_is_written(ledger: Ledger) -> None:
    running(ledger, "a", "v-1")
    second = accepted(ledger, "b")
    with pytest.raises(VendorIdInUse, match=r"'v-1' is that of job a, so it cannot be that of job b"):
        moved(ledger, second, State.RUNNING, vendor_job_id="v-1")
    assert ledger.jobs.get("b") == second
    assert [event.name for event in ledger.jobs.events("b")] == ["queued"]
    assert index(ledger) == {"v-1": ("a", -1)}


def test_a_job_may_be_given_its_own_id_once_more(ledger: Ledger) -> None:
    again = moved(ledger, running(ledger, "a", "v-1"), State.RUNNING, vendor_job_id="v-1")
    assert again.vendor_job_id == "v-1"


@pytest.mark.parametrize("end", [State.SUCCEEDED, State.FAILED, State.TIMED_OUT, State.CANCELED])
def test_an_id_is_its_jobs_for_a_day_after_the_end_and_then_forgotten(ledger: Ledger, end: State) -> None:
    moved(ledger, running(ledger, "a", "v-1"), end)
    with pytest.raises(VendorIdInUse):
        running(ledger, "b", "v-1")
    [(owner, left)] = index(ledger).values()
    assert owner == "a"
    assert DAY_MS - 60_000 < left <= DAY_MS


def test_an_id_that_is_written_with_the_end_is_forgotten_too(ledger: Ledger) -> None:
    moved(ledger, accepted(ledger, "a"), State.FAILED, vendor_job_id="v-1")
    assert 0 < index(ledger)["v-1"][1] <= DAY_MS


def test_no_id_outlives_the_record_of_its_job(ledger: Ledger) -> None:
    ledger.scripts.record_ttl_ms = 5000
    moved(ledger, running(ledger, "a", "v-1"), State.SUCCEEDED)
    assert 0 < index(ledger)["v-1"][1] <= 5000


def test_a_purged_job_leaves_no_id(ledger: Ledger) -> None:
    moved(ledger, running(ledger, "a", "v-1"), State.SUCCEEDED)
    assert ledger.retention.purge(ledger.jobs.get("a"), "job").purged
    assert index(ledger) == {}


def test_the_id_of_a_job_that_is_gone_is_free(ledger: Ledger) -> None:
    running(ledger, "a", "v-1")
    ledger.client.delete(f"{ledger.prefix}:job:a")
    running(ledger, "b", "v-1")
    assert index(ledger) == {"v-1": ("b", -1)}


def test_a_job_that_is_polled_again_has_its_id_until_it_has_ended_again(ledger: Ledger) -> None:
    moved(ledger, running(ledger, "a", "v-1"), State.TIMED_OUT)
    replayed = recovery(ledger).replay("a", Step.POLL)
    assert index(ledger) == {"v-1": ("a", -1)}
    moved(ledger, replayed, State.FAILED)
    assert index(ledger)["v-1"][1] > 0


def test_a_job_whose_id_was_given_to_another_meanwhile_is_not_polled_again(ledger: Ledger) -> None:
    ended = moved(ledger, running(ledger, "a", "v-1"), State.TIMED_OUT)
    ledger.client.delete(f"{ledger.prefix}:vendor_id:v-1")  # a day later
    running(ledger, "b", "v-1")
    with pytest.raises(VendorIdInUse, match="that of job b"):
        recovery(ledger).replay("a", Step.POLL)
    assert ledger.jobs.get("a") == ended


def test_a_job_that_is_sent_again_gives_its_old_id_up_after_a_day(ledger: Ledger) -> None:
    moved(ledger, running(ledger, "a", "v-1"), State.FAILED)
    recovery(ledger).replay("a", Step.SUBMIT, accept_charge=True)
    moved(ledger, ledger.jobs.get("a"), State.RUNNING, vendor_job_id="v-2")
    found = index(ledger)
    assert found["v-2"] == ("a", -1)
    assert 0 < found["v-1"][1] <= DAY_MS


# -- `jobs resolve` -------------------------------------------------------------------------------------------

NO_IDS = {
    "": "it is empty",
    "  ": "it is empty",
    ".": "taken out of the URL",
    "..": "taken out of the URL",
    "x" * 257: "longer than 256 characters",
    "job\n1": "cannot be printed",
    "job\x1b[31m": "cannot be printed",
    "job\0": "cannot be printed",
    "job\ud800": "cannot be printed",
    " job-1": "blanks around it",
    "job-1 ": "blanks around it",
    "v6/status/job-1": "a slash",
    "https://vendor.example/v6/status/job-1": "a slash",
    "..\\job-1": "a slash",
}


def held(ledger: Ledger, job_id: str = "b") -> Job:
    return moved(ledger, accepted(ledger, job_id), State.HELD, failure_code=FailureCode.SUBMIT_UNKNOWN)


@pytest.mark.parametrize("vendor_job_id", NO_IDS, ids=repr)
def test_what_cannot_be_an_id_is_refused_in_a_sentence(ledger: Ledger, vendor_job_id: str) -> None:
    job = held(ledger)
    with pytest.raises(NotPossible) as refused:
        recovery(ledger).resolve("b", vendor_job_id)
    sentence = str(refused.value)
    assert NO_IDS[vendor_job_id] in sentence
    assert sentence.endswith("copy it from the vendor's records.")
    assert sentence.isprintable()
    assert len(sentence) < 250
    assert ledger.jobs.get("b") == job


def test_an_id_that_is_in_use_is_refused_and_both_jobs_are_named(ledger: Ledger) -> None:
    moved(ledger, running(ledger, "a", "v-1"), State.SUCCEEDED)
    job = held(ledger)
    with pytest.raises(NotPossible, match=r"'v-1' is that of job a, so it cannot be that of job b"):
        recovery(ledger).resolve("b", "v-1")
    assert ledger.jobs.get("b") == job


def test_the_command_reports_it_in_one_line_and_another_id_is_taken(installation: Installation) -> None:
    ledger = installation.producer().ledger
    running(ledger, "a", "v-1")
    held(ledger)
    for wrong, reason in (("", "it is empty"), ("..", "taken out"), ("v-1", "that of job a")):
        refused = installation.cli("jobs", "resolve", "b", "--vendor-job-id", wrong)
        assert (refused.returncode, refused.stdout) == (1, "")
        assert reason in refused.stderr
        assert "Traceback" not in refused.stderr
    done = installation.cli("jobs", "resolve", "b", "--vendor-job-id", "v-2", "--json")
    assert json.loads(done.stdout)["vendor_job_id"] == "v-2"
