"""The command line as a user and a script meet it: nothing but arguments, exit codes and output."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

    from support.programs.installation import Installation, Receiver

NEW = pytest.mark.usefixtures("new_processes")
"""What starts as a user's shell starts it: a whole job, help, and settings that are wrong."""


@pytest.fixture
def _worker(installation: Installation) -> Generator[None]:
    with installation.worker():
        yield


@NEW
@pytest.mark.usefixtures("_worker")
def test_a_job_from_enqueue_to_its_picture(installation: Installation, photograph: Path, receiver: Receiver) -> None:
    enqueued = installation.run_json(
        "enqueue",
        str(photograph),
        *("--gender", "1", "--filter-id", "12", "--ratio", "square", "--quality-mode", "v6", "--api-version", "v6"),
        *("--webhook-url", receiver.url, "--metadata", "order=7", "--priority", "high", "--tenant", "shop-1"),
        *("--idempotency-key", "order-7"),
    )
    job_id = enqueued["job_id"]
    waited = installation.run_json("jobs", "wait", job_id)
    _, event = receiver.next()
    assert (event.data.job_id, event.data.tenant, event.data.metadata) == (job_id, "shop-1", {"order": "7"})
    shown = installation.run_json("jobs", "show", job_id)
    promised = {
        "job_id": job_id,
        "state": "SUCCEEDED",
        "failure_code": None,
        "api_version": "v6",
        "attempts": 1,
        "credits": 2,
    }
    assert {name: shown[name] for name in promised} == promised
    assert shown["vendor_job_id"] == waited["vendor_job_id"]
    assert shown["polls"] >= 1
    assert shown["notification"] in {"PENDING", "DELIVERED"}
    assert shown["created_at"] <= shown["submitted_at"] <= shown["finished_at"]
    [image] = shown["images"]
    assert (image["width"], image["height"]) == (1280, 1280)
    assert len(installation.stored(image["key"])) == image["bytes"]
    names = [event["name"] for event in installation.run_json("jobs", "events", job_id)]
    assert names[:4] == ["queued", "slot", "attempt", "submitted"]
    assert [job["job_id"] for job in installation.run_json("jobs", "list", "--state", "SUCCEEDED")] == [job_id]


@pytest.mark.usefixtures("_worker")
def test_waiting_tells_scripts_by_its_exit_code(installation: Installation, photograph: Path) -> None:
    common = ("enqueue", str(photograph), "--gender", "male", "--wait")
    assert installation.cli(*common, "--filter-id", "12").returncode == 0
    failed = installation.cli(*common, "--filter-id", "99999", "--json")
    assert (failed.returncode, json.loads(failed.stdout)["failure_code"]) == (1, "FILTER_NOT_FOUND")
    installation.vendor.control.change(service_time="fixed:60")
    unfinished = installation.cli(*common, "--filter-id", "12", "--timeout", "0.5")
    assert unfinished.returncode == 3
    assert "it goes on" in unfinished.stderr


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("{photo}", "--gender", "4", "--filter-id", "6f0c1b1e-8f1e-4c3e-9f5e-0123456789ab"), "(FILTER_BLOCKED)"),
        (("{photo}", "--gender", "0", "--filter-id", "twelve"), "(FILTER_NOT_FOUND)"),
        (("{photo}", "--gender", "0", "--filter-id", "-3"), "(FILTER_NOT_FOUND)"),
        (
            ("{photo}", "--gender", "0", "--filter-id", "6f0c1b1e-8f1e-4c3e-9f5e-0123456789ab", "--quality-mode", "v6"),
            "(INVALID_QUALITY_MODE)",
        ),
        (("nowhere.jpg", "--gender", "0", "--filter-id", "12"), "(INVALID_IMAGE)"),
        (("{text}", "--gender", "0", "--filter-id", "12"), "(INVALID_IMAGE)"),
        (("{photo}", "--gender", "0", "--filter-id", "12", "--extra", "seed=7"), "leave them out\n"),
        (("{photo}", "--gender", "0", "--filter-id", "12", "--tenant", "a b"), "tenant"),
        (("{photo}", "--gender", "0", "--filter-id", "12", "--webhook-url", "gopher://x"), "webhook_url"),
        (("{photo}", "--gender", "0", "--filter-id", "12", "--metadata", "nonsense"), "key=value"),
        (("{photo}", "--gender", "7", "--filter-id", "12"), "not one of 0-4"),
        (("{photo}", "--gender", "0", "--filter-id", "9" * 5000), "(FILTER_NOT_FOUND)"),
        (("{photo}", "--gender", "0", "--filter-id", "12", "--queue-ttl", "1e300"), "queue_ttl: it must be seconds"),
        (("{photo}", "--gender", "0", "--filter-id", "12", "--batch", "a\nb"), "batch: it must be one line"),
        (("{photo}", "--gender", "0"), "--filter-id"),
    ],
)
def test_bad_input_is_a_clear_sentence_and_nothing_is_stored(
    installation: Installation,
    photograph: Path,
    arguments: tuple[str, ...],
    sentence: str,
) -> None:
    (photograph.parent / "notes.txt").write_text("not a picture")
    given = [part.format(photo=photograph, text=photograph.parent / "notes.txt") for part in arguments]
    refused = installation.cli("enqueue", *given)
    assert refused.returncode == 2
    assert sentence in refused.stderr
    assert "Traceback" not in refused.stderr
    assert list(installation.store.rglob("*")) == []


@pytest.mark.parametrize("command", [("jobs", "show"), ("jobs", "events"), ("jobs", "wait")])
def test_a_job_that_is_not_there_is_a_sentence(installation: Installation, command: tuple[str, ...]) -> None:
    missing = installation.cli(*command, "nothing")
    assert (missing.returncode, missing.stdout) == (1, "")
    assert missing.stderr.startswith("swapline: There is no job 'nothing' in the ledger;")


@pytest.mark.parametrize(
    ("command", "sentence"),
    [
        ("jobs list --after nope", "'nope' is no job's id; give the last one of the page before."),
        ("slots set -3", "-3 is not a whole number from 0 to 10,000."),
        ("slots set 10001", "10001 is not a whole number from 0 to 10,000."),
        ("slots set four", "four is not a whole number from 0 to 10,000."),
        ("credits set shop-1 -5", "-5 is not a whole number from 0 to 1,000,000,000,000."),
    ],
)
def test_a_wrong_number_or_place_is_a_sentence_and_changes_nothing(
    installation: Installation, command: str, sentence: str
) -> None:
    before = installation.producer().ledger.limits.slots().limit
    refused = installation.cli(*command.split())
    assert (refused.returncode, refused.stdout) == (2, "")
    assert refused.stderr.endswith(f": {sentence}\n")
    assert installation.producer().ledger.limits.slots().limit == before


def test_a_page_begins_after_a_job_that_is_there_and_after_one_that_is_gone(
    installation: Installation, photograph: Path
) -> None:
    arguments = ("enqueue", str(photograph), "--gender", "0", "--filter-id", "12")
    first, second, third = (installation.run_json(*arguments)["job_id"] for _ in range(3))
    ledger = installation.producer().ledger
    ledger.client.delete(f"{installation.prefix}:job:{second}")
    for after, expected in ((third, [first]), (second, [first]), (first, [])):
        assert [job["job_id"] for job in installation.run_json("jobs", "list", "--after", after)] == expected


@NEW
def test_a_redis_that_is_away_is_a_sentence(installation: Installation) -> None:
    away = installation.cli("jobs", "list", SWAPLINE_REDIS_URL="redis://127.0.0.1:1/0")
    assert away.returncode == 1
    assert "check SWAPLINE_REDIS_URL" in away.stderr
    assert "Traceback" not in away.stderr


@NEW
def test_a_wrong_setting_is_a_sentence(installation: Installation) -> None:
    wrong = installation.cli("jobs", "list", SWAPLINE_REDIS_URL="http://localhost")
    assert (wrong.returncode, wrong.stderr) == (
        2,
        "swapline: SWAPLINE_REDIS_URL is wrong: must begin with redis://, rediss://, unix:// or sentinel://.\n",
    )


def test_the_same_key_and_request_give_the_same_job(installation: Installation, photograph: Path) -> None:
    arguments = ("enqueue", str(photograph), "--gender", "0", "--filter-id", "12", "--idempotency-key", "k")
    first, again = installation.run_json(*arguments), installation.run_json(*arguments)
    assert (first["created"], again["created"], first["job_id"]) == (True, False, again["job_id"])
    other = installation.cli(*arguments, "--ratio", "square")
    assert other.returncode == 1
    assert first["job_id"] in other.stderr


def test_slots_shows_what_waits(installation: Installation, photograph: Path) -> None:
    installation.cli("enqueue", str(photograph), "--gender", "0", "--filter-id", "12")
    view = installation.run_json("slots")
    assert (view["waiting"], view["in_flight"]) == (1, [])


@NEW
@pytest.mark.parametrize("command", [(), ("enqueue",), ("jobs",), ("jobs", "list"), ("slots",), ("worker",)])
def test_every_command_explains_itself(installation: Installation, command: tuple[str, ...]) -> None:
    explained = installation.cli(*command, "--help", SWAPLINE_REDIS_URL="http://wrong")
    assert explained.returncode == 0
    assert "Usage:" in explained.stdout
