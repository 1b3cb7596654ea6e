"""`swapline batch` as a user meets it."""

from __future__ import annotations

import csv
import json
import signal
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from support.pictures.photographs import exif, heif, picture, saved
from support.programs.installation import SWAPLINE
from support.programs.processes import start
from support.redis.fixtures import waited_for
from swapline_producer.contract import State, StoredImage
from swapline_simulator import sample_photographs

if TYPE_CHECKING:
    from support.programs.installation import Installation

URL = "https://pictures.example.com"
HEADER = "image,gender,filter_id,order\n"


@pytest.fixture
def manifest(tmp_path: Path) -> Path:
    """Four rows: a file, two URLs, and a filter that the vendor does not have."""
    folder = tmp_path / "order"
    folder.mkdir()
    (folder / "me.jpg").write_bytes(sample_photographs()[0])
    path = folder / "spring.csv"
    path.write_text(f"{HEADER}me.jpg,female,12,a\n{URL}/1.jpg,0,12,b\n{URL}/2.jpg,0,99999,c\n{URL}/3.jpg,0,12,d\n")
    return path


def test_a_batch_from_its_manifest_to_its_pictures(installation: Installation, manifest: Path, tmp_path: Path) -> None:
    pictures, results = tmp_path / "pictures", tmp_path / "results.csv"
    with installation.worker():
        ran = installation.run_json(
            *("batch", "run", str(manifest), "--download", str(pictures), "--results", str(results)),
            code=1,
        )
    assert (ran["enqueued"], ran["known"], ran["jobs"], ran["finished"]) == (4, 0, 4, 4)
    assert (ran["states"], ran["failures"], ran["credits"]) == (
        {"FAILED": 1, "SUCCEEDED": 3},
        {"FILTER_NOT_FOUND": 1},
        6,
    )
    assert sorted(path.name for path in pictures.iterdir()) == ["000001.png", "000002.png", "000004.png"]
    assert all(path.read_bytes().startswith(b"\x89PNG") for path in pictures.iterdir())
    with results.open(newline="") as file:
        lines = list(csv.DictReader(file))
    assert {(line["row"], line["line"], line["state"], line["metadata.order"]) for line in lines} == {
        ("1", "2", "SUCCEEDED", "a"),
        ("2", "3", "SUCCEEDED", "b"),
        ("3", "4", "FAILED", "c"),
        ("4", "5", "SUCCEEDED", "d"),
    }
    shown = installation.run_json("batch", "show", "spring", "--limit", "1")
    assert [(job["row"], job["failure_code"]) for job in shown["first"]] == [(3, "FILTER_NOT_FOUND")]
    people = installation.cli("batch", "show", "spring").stdout
    assert "4 of 4 jobs have ended, 6 credits" in people
    assert [line.split()[0] for line in people.splitlines()[-5:-3]] == ["row", "3"]


def test_rows_with_telephones_photographs_are_prepared_as_each_asks(installation: Installation, tmp_path: Path) -> None:
    heif()
    (tmp_path / "me.heic").write_bytes(saved("HEIF", exif=exif(orientation=6, gps=True).tobytes()))
    (tmp_path / "me.tif").write_bytes(saved("TIFF", picture("CMYK")))
    (tmp_path / "me.jpg").write_bytes(saved("JPEG", exif=exif(gps=True)))
    good, bad = tmp_path / "good.csv", tmp_path / "bad.csv"
    header = "image,gender,filter_id,prepare\n"
    good.write_text(f"{header}me.heic,0,12,auto\nme.tif,0,12,\nme.jpg,0,12,off\nme.jpg,0,12,auto\n")
    assert installation.run_json("batch", "run", str(good))["enqueued"] == 4
    producer = installation.producer()
    jobs = [producer.get(job_id) for job_id in producer.ledger.batches.job_ids("good", "default")]
    images = [job.spec.image for job in jobs if isinstance(job.spec.image, StoredImage)]
    done = sorted(str(image.prepared.done[0]) if image.prepared else "as it was" for image in images)
    assert done == ["as it was", "converted to JPEG", "converted to JPEG", "place removed"]
    bad.write_text(f"{header}me.heic,0,12,strict\nme.heic,0,12,off\nme.jpg,0,12,strict\n")
    refused = installation.cli("batch", "run", str(bad))
    assert [line in refused.stderr for line in ("line 2", "line 3", "line 4")] == [True, True, True]


def test_every_mistake_is_reported_with_its_line_and_nothing_is_enqueued(
    installation: Installation, tmp_path: Path
) -> None:
    path = tmp_path / "spring.csv"
    path.write_text(f"{HEADER}nowhere.jpg,0,12,a\n{URL}/1.jpg,0,12,b\n{URL}/2.jpg,9,12,c\n{URL}/3.jpg,0,twelve,d\n")
    done = installation.cli("batch", "run", str(path))
    assert (done.returncode, done.stdout) == (2, "")
    stderr_lines = done.stderr.splitlines()
    places = ["line 2 (row 1)", "line 4 (row 3)", "line 5 (row 4)", "swapline"]
    assert [line.split(":")[0] for line in stderr_lines] == places
    assert stderr_lines[-1] == "swapline: 3 of 4 rows are wrong; nothing was enqueued."
    assert installation.producer().ledger.stats.census()[State.QUEUED] == 0


def test_wrong_rows_can_be_left_out(installation: Installation, tmp_path: Path) -> None:
    path = tmp_path / "spring.csv"
    path.write_text(f"{HEADER}nowhere.jpg,0,12,a\n{URL}/1.jpg,0,12,b\n")
    dry = installation.cli("batch", "run", str(path), "--skip-bad", "--dry-run", "--json")
    facts = json.loads(dry.stdout)
    assert (dry.returncode, facts["rows"], facts["skipped"], facts["credits"]) == (0, 2, 1, 2)
    done = installation.cli("batch", "run", str(path), "--skip-bad", "--json")
    assert (done.returncode, json.loads(done.stdout)["enqueued"]) == (1, 1)
    assert done.stderr.startswith("line 2 (row 1): The file ")
    assert len(installation.producer().ledger.batches.job_ids("spring")) == 1


def test_a_dry_run_says_what_it_costs_and_leaves_out_what_is_there(installation: Installation, manifest: Path) -> None:
    wanted = {"batch": "spring", "rows": 4, "skipped": 0, "known": 0, "credits": 8, "tenant": "default"}
    assert installation.run_json("batch", "run", str(manifest), "--dry-run") == wanted
    assert installation.producer().ledger.stats.counters() == {}
    installation.run_json("batch", "run", str(manifest))
    assert installation.run_json("batch", "run", str(manifest), "--dry-run") == wanted | {"known": 4, "credits": 0}


def test_running_it_again_repeats_no_row_and_more_rows_go_on(installation: Installation, manifest: Path) -> None:
    assert installation.run_json("batch", "run", str(manifest))["enqueued"] == 4
    assert installation.run_json("batch", "run", str(manifest))["known"] == 4
    with manifest.open("a") as file:
        file.write(f"{URL}/5.jpg,0,12,e\n")
    again = installation.run_json("batch", "run", str(manifest))
    assert (again["enqueued"], again["known"]) == (1, 4)
    assert installation.run_json("batch", "run", str(manifest), "--name", "summer")["enqueued"] == 5
    assert installation.producer().ledger.stats.census()[State.QUEUED] == 10


def test_a_row_that_was_changed_after_it_was_enqueued_is_not_paid_again(
    installation: Installation, manifest: Path
) -> None:
    installation.run_json("batch", "run", str(manifest))
    manifest.write_text(manifest.read_text().replace("/3.jpg", "/other.jpg"))
    done = installation.cli("batch", "run", str(manifest))
    assert done.returncode == 1
    assert done.stderr.startswith("line 5 (row 4): The idempotency key 'batch:spring:4' already belongs to job ")


def test_an_interrupted_run_goes_on_where_it_was(installation: Installation, tmp_path: Path) -> None:
    number = 12_000  # a second's work and more, so that the interruptions find it under way
    path = tmp_path / "big.jsonl"
    with path.open("w") as file:
        for n in range(number):
            file.write(json.dumps({"image": f"{URL}/{n}.jpg", "gender": 0, "filter_id": 12}) + "\n")
    ledger = installation.producer().ledger
    for interrupt, so_far in ((signal.SIGINT, 200), (signal.SIGKILL, 1_000)):
        child = start(
            [SWAPLINE, "batch", "run", str(path)],
            env=installation.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        waited_for(lambda: ledger.stats.census()[State.QUEUED] >= so_far)  # noqa: B023 -- called in this round only
        child.send_signal(interrupt)
        _, stderr_lines = child.communicate(timeout=60)
        assert child.returncode == (3 if interrupt is signal.SIGINT else -signal.SIGKILL), stderr_lines
        assert "Traceback" not in stderr_lines
        assert ledger.stats.census()[State.QUEUED] < number
    there = ledger.stats.census()[State.QUEUED]
    ran = installation.run_json("batch", "run", str(path))
    assert (ran["enqueued"], ran["known"]) == (number - there, there)
    assert ledger.stats.census()[State.QUEUED] == len(ledger.batches.job_ids("big")) == number


def test_failed_rows_are_made_again_on_request_and_may_be_mended(installation: Installation, manifest: Path) -> None:
    with installation.worker():
        assert installation.cli("batch", "run", str(manifest), "--watch").returncode == 1
        manifest.write_text(manifest.read_text().replace("99999", "12"))
        again = installation.run_json("batch", "run", str(manifest), "--watch", "--retry-failed")
    assert (again["enqueued"], again["known"], again["states"]) == (1, 3, {"SUCCEEDED": 4})


def test_a_batch_is_canceled_whole(installation: Installation, manifest: Path) -> None:
    installation.run_json("batch", "run", str(manifest))
    assert installation.run_json("batch", "cancel", "spring") == {
        "batch": "spring",
        "canceled": 4,
        "canceling": 0,
        "charged": 0,
        "perhaps_charged": 0,
        "ended_meanwhile": 0,
    }
    assert installation.run_json("batch", "show", "spring")["states"] == {"CANCELED": 4}
    assert "0 canceled" in installation.cli("batch", "cancel", "spring").stdout


def test_watching_that_takes_too_long_is_not_finished(installation: Installation, manifest: Path) -> None:
    done = installation.cli("batch", "run", str(manifest), "--watch", "--timeout", "0.1")
    assert done.returncode == 3
    assert "4 jobs have not finished after 0.1 s; they go on" in done.stderr


@pytest.mark.parametrize("command", ["show", "cancel"])
def test_a_batch_that_is_not_there_is_a_sentence(installation: Installation, command: str) -> None:
    missing = installation.cli("batch", command, "nothing")
    assert (missing.returncode, missing.stdout) == (1, "")
    assert missing.stderr.startswith("swapline: There is no batch 'nothing' of tenant 'default' in the ledger;")


def test_a_manifest_with_rows_of_two_tenants_is_refused(installation: Installation, tmp_path: Path) -> None:
    path = tmp_path / "spring.csv"
    path.write_text(f"image,gender,filter_id,tenant\n{URL}/1.jpg,0,12,acme\n{URL}/2.jpg,0,12,other\n")
    done = installation.cli("batch", "run", str(path))
    assert done.returncode == 2
    assert done.stderr.startswith("swapline: the rows are of 2 tenants (acme, other), and a batch is of one: make a")
    assert installation.producer().ledger.stats.counters() == {}


def test_the_same_name_under_another_tenant_is_another_batch(installation: Installation, manifest: Path) -> None:
    installation.run_json("batch", "run", str(manifest))
    ran = installation.run_json("batch", "run", str(manifest), "--set", "tenant=acme")
    assert (ran["enqueued"], ran["tenant"]) == (4, "acme")
    assert installation.run_json("batch", "cancel", "spring", "--tenant", "acme")["canceled"] == 4
    for tenant, finished in (("acme", 4), ("default", 0)):
        shown = installation.run_json("batch", "show", "spring", "--tenant", tenant)
        assert (shown["tenant"], shown["finished"]) == (tenant, finished)
    listed = installation.cli("jobs", "list", "--batch", "spring", "--tenant", "acme", "--ids").stdout.split()
    assert len(listed) == 4


def test_results_never_overwrite_the_manifest(installation: Installation, manifest: Path) -> None:
    before = manifest.read_text()
    done = installation.cli("batch", "run", str(manifest), "--results", str(manifest))
    assert (done.returncode, "would overwrite the manifest" in done.stderr) == (2, True)
    assert manifest.read_text() == before
    assert installation.producer().ledger.stats.counters() == {}


def test_another_file_in_the_folder_is_not_overwritten(
    installation: Installation, manifest: Path, tmp_path: Path
) -> None:
    (tmp_path / "pictures").mkdir()
    mine = tmp_path / "pictures" / "000002.png"
    mine.write_text("a letter")
    manifest.write_text(f"{HEADER}{URL}/1.jpg,0,12,a\n{URL}/2.jpg,0,12,b\n")
    with installation.worker():
        done = installation.cli("batch", "run", str(manifest), "--download", str(mine.parent), "--json")
    assert (done.returncode, json.loads(done.stdout)["not_downloaded"]) == (1, 1)
    assert f"{mine} is there already and is another picture or file; nothing was overwritten" in done.stderr
    assert (mine.read_text(), sorted(path.name for path in mine.parent.iterdir())) == (
        "a letter",
        ["000001.png", "000002.png"],
    )


def test_a_manifest_without_rows_is_a_sentence(installation: Installation, tmp_path: Path) -> None:
    path = tmp_path / "empty.csv"
    path.write_text(HEADER)
    done = installation.cli("batch", "run", str(path))
    assert (done.returncode, done.stderr) == (2, "swapline: the manifest has no rows; nothing was enqueued.\n")


@pytest.mark.parametrize("command", [("batch",), ("batch", "run"), ("batch", "show"), ("batch", "cancel")])
def test_every_batch_command_explains_itself(installation: Installation, command: tuple[str, ...]) -> None:
    explained = installation.cli(*command, "--help")
    assert (explained.returncode, explained.stderr) == (0, "")
    assert "Usage:" in explained.stdout


def test_the_manifest_of_the_guide_is_good(installation: Installation, tmp_path: Path) -> None:
    guide = (Path(__file__).parents[2] / "docs" / "guides" / "batches.md").read_text()
    path = tmp_path / "spring.csv"
    path.write_text(guide.partition("```csv\n")[2].partition("```")[0])
    (tmp_path / "faces").mkdir()
    for name in ("anna", "ben"):
        (tmp_path / "faces" / f"{name}.jpg").write_bytes(sample_photographs()[0])
    assert installation.run_json("batch", "run", str(path), "--dry-run")["credits"] == 6
