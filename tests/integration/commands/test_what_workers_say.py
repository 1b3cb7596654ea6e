"""`swapline doctor` asks the workers, not its own shell; another store than theirs is refused."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING, Any

import pytest

from support.pictures.pngs import png
from support.programs.installation import SECRET
from support.redis.fixtures import waited_for
from swapline_producer import Producer, ProducerSettings, SwapRequest
from swapline_producer.contract import State
from swapline_producer.errors import WrongOwner
from swapline_producer.ledger.accounts.registry import Vendor
from swapline_producer.ledger.accounts.workers import WorkerRecord
from swapline_producer.operations.doctor import workers as of_workers
from swapline_producer.retention.store_owner import check_store
from swapline_producer.testing import memory_storage

if TYPE_CHECKING:
    from pathlib import Path

    from support.programs.installation import Installation
    from swapline_producer.ledger import Ledger

PICTURE = png(seed=1)
VENDOR = Vendor("https://vendor.example", simulated=False)


def request(**more: Any) -> SwapRequest:
    return SwapRequest(**{"image": PICTURE, "gender": 1, "filter_id": 12} | more)


def shown(ledger: Ledger, worker_id: str, **facts: Any) -> None:
    base = {"worker_id": worker_id, "host": worker_id, "pid": 1, "started_at": 0, "storage_url": "s3://faces"}
    ledger.workers.join(VENDOR, WorkerRecord.model_validate(base | facts))


def asked(installation: Installation, **more: str) -> dict[str, dict[str, str]]:
    done = installation.cli("doctor", "--json", **more)
    return {check["name"]: check for check in json.loads(done.stdout)["checks"]}


# -- webhook secrets --------------------------------------------------------------------------------------------


def test_doctor_speaks_of_the_workers_secrets_whatever_its_own_shell_has(installation: Installation) -> None:
    with installation.worker():
        found = asked(installation, SWAPLINE_WEBHOOK_SECRETS="")
    assert (found["webhook secrets"]["verdict"], found["webhook secrets"]["found"]) == (
        "ok",
        "1 signs every webhook, in the one worker",
    )
    installation.more["SWAPLINE_WEBHOOK_SECRETS"] = ""
    with installation.worker():
        found = asked(installation, SWAPLINE_WEBHOOK_SECRETS=SECRET)
    assert (found["webhook secrets"]["verdict"], "no worker has any" in found["webhook secrets"]["found"]) == (
        "warn",
        True,
    )
    assert asked(installation)["webhook secrets"]["verdict"] == "unchecked"


@pytest.mark.parametrize(
    ("workers", "verdict", "words"),
    [
        ([{"webhook_keys": 1}, {}], "fail", "1 of 2 workers have none"),
        ([{"webhook_keys": 1}, {"steps": "finalize"}], "ok", "1 signs every webhook, in the one worker"),
        ([{"webhook_keys": 2, "webhook_print": "a"}, {"webhook_keys": 2, "webhook_print": "b"}], "warn", "different"),
        ([{"webhook_keys": 2, "webhook_print": "a"}] * 2, "ok", "2 sign every webhook, in all 2 workers"),
        ([{"tenant_keys": True}], "ok", "some tenants have their own"),
        ([{"steps": "submit,poll"}], "unchecked", "no worker shows itself that sends webhooks"),
    ],
)
def test_workers_with_other_secrets_are_named(
    ledger: Ledger, workers: list[dict[str, Any]], verdict: str, words: str
) -> None:
    for number, facts in enumerate(workers):
        shown(ledger, f"w{number}", **facts)
    [finding] = of_workers.webhook_secrets(ledger)
    assert (finding.verdict, words in finding.found) == (verdict, True), finding


def test_settings_that_workers_should_share_are_compared(ledger: Ledger) -> None:
    shown(ledger, "a", shared={"RESULT_TTL": "None", "JOB_TTL": "1"})
    assert list(of_workers.shared_settings(ledger)) == []
    shown(ledger, "b", shared={"RESULT_TTL": "3600.0", "JOB_TTL": "1"})
    [finding] = of_workers.shared_settings(ledger)
    assert finding.found == "SWAPLINE_RESULT_TTL is 3600.0 here and None there"


def test_no_secret_is_in_what_a_worker_shows(installation: Installation) -> None:
    ledger = installation.producer().ledger
    with installation.worker("--step", "notify", "--step", "submit"):
        text = str(ledger.client.hgetall(f"{ledger.prefix}:workers"))
        [record] = ledger.workers.alive()
    assert (record.steps, record.webhook_keys, record.store) == ("notify,submit", 1, "ok")
    assert [word for word in (SECRET, installation.vendor.config.key) if word in text] == []
    assert ledger.workers.alive() == []  # it has left


# -- the store --------------------------------------------------------------------------------------------------


def other_store(installation: Installation) -> Path:
    return installation.store.parent / "other"


def misled(installation: Installation) -> Producer:
    """A producer with a store of its own."""
    settings = ProducerSettings(
        redis_url=installation.valkey.url,
        key_prefix=installation.prefix,
        storage_url=other_store(installation).as_uri(),
    )
    return Producer.connect(settings)


@pytest.mark.parametrize("first", ["workers", "producer"])
def test_a_producer_with_another_store_is_refused_at_its_first_enqueue(installation: Installation, first: str) -> None:
    if first == "workers":
        with installation.worker():
            pass
    else:
        installation.producer().enqueue(request())
    producer, jobs = misled(installation), len(installation.producer().ledger.jobs.list_ids(State.QUEUED))
    with pytest.raises(WrongOwner, match=r"no owner\.json, and this installation has a store already.*janitor --adopt"):
        producer.enqueue(request())
    [result] = producer.enqueue_many([request()])
    assert isinstance(result.error, WrongOwner)
    assert len(installation.producer().ledger.jobs.list_ids(State.QUEUED)) == jobs
    assert not other_store(installation).exists()
    photograph = installation.store.parent / "me.png"
    photograph.write_bytes(PICTURE)
    typed = installation.cli(
        *("enqueue", str(photograph), "--gender", "male", "--filter-id", "12"),
        SWAPLINE_STORAGE_URL=other_store(installation).as_uri(),
    )
    assert (typed.returncode, "it is another one" in typed.stderr, "Traceback" in typed.stderr) == (2, True, False)


def test_the_store_of_another_installation_is_refused(installation: Installation) -> None:
    other_store(installation).mkdir()
    producer = misled(installation)
    producer.enqueue(request())  # the first one: this store is its installation's
    installation.more["SWAPLINE_KEY_PREFIX"] = f"{installation.prefix}-2"
    installation.more["SWAPLINE_STORAGE_URL"] = other_store(installation).as_uri()
    done = installation.cli("worker", "-c", "2")
    assert (done.returncode, "The store belongs to another installation" in done.stderr) == (1, True)
    assert "Traceback" not in done.stderr


def test_doctor_tells_its_own_shells_store_from_the_workers(installation: Installation) -> None:
    with installation.worker():
        found = asked(installation, SWAPLINE_STORAGE_URL=other_store(installation).as_uri())
        assert (found["storage"]["verdict"], "it is another one" in found["storage"]["found"]) == ("fail", True)
        assert (
            found["workers' store"]["verdict"],
            installation.store.as_uri() in found["workers' store"]["found"],
        ) == (
            "ok",
            True,
        )


def test_a_worker_whose_store_turns_out_to_be_anothers_stops(installation: Installation) -> None:
    wrong = other_store(installation)
    wrong.write_text("in the way: a store that is away")
    installation.producer().enqueue(request())
    installation.more["SWAPLINE_STORAGE_URL"] = wrong.as_uri()
    with installation.worker() as worker:
        waited_for(lambda: "housekeeping waits" in worker.log())
        wrong.unlink()
        wrong.mkdir()
        assert worker.child.wait(60) == 1
        assert "this worker stops: The store has no owner.json" in worker.log()


def test_a_store_that_is_adopted_is_the_right_one(installation: Installation) -> None:
    installation.producer().enqueue(request())
    moved = other_store(installation)
    shutil.copytree(installation.store, moved)
    (moved / "owner.json").unlink()
    adopted = installation.cli("janitor", "--adopt", SWAPLINE_STORAGE_URL=moved.as_uri())
    assert adopted.returncode == 0, adopted.stderr
    misled(installation).enqueue(request())


def test_a_poll_writes_nothing(ledger: Ledger) -> None:
    storage = memory_storage()
    check_store(ledger, storage, dry=True)
    check_store(ledger, storage, dry=True, adopt=True)
    assert ([found.key for found in storage.list()], ledger.accounts.installation()) == ([], ("", False))
    check_store(ledger, storage)
    check_store(ledger, storage, dry=True)
    with pytest.raises(WrongOwner):
        check_store(ledger, memory_storage(), dry=True)


def test_a_name_that_was_written_by_a_process_that_was_killed_is_found_again(ledger: Ledger) -> None:
    storage = memory_storage()
    ledger.accounts.installation("a name")  # killed before it came to the store
    check_store(ledger, storage)
    ledger.client.hdel(f"{ledger.prefix}:owner", "stored")  # killed before it came back from there
    check_store(ledger, storage)
    assert ledger.accounts.installation() == ("a name", True)
