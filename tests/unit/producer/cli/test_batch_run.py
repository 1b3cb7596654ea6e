"""A run of a manifest checks each row, whatever is in it, and says of each mistake where it is."""

from __future__ import annotations

import csv
import json
from typing import TYPE_CHECKING, Any

import pytest

from swapline_producer.cli.batches.run import Run
from swapline_producer.client.batches.manifest import Manifest
from swapline_producer.errors import RequestError
from swapline_producer.testing import FakeProducer

if TYPE_CHECKING:
    from pathlib import Path

GOOD = {"image": "https://pictures.example/me.jpg", "gender": 0, "filter_id": 12}


def run(path: Path, *rows: dict[str, Any], producer: FakeProducer | None = None, skip_bad: bool = False) -> Run:
    path.write_text("\n".join(json.dumps({**GOOD, **row}) for row in rows))
    manifest = Manifest(path, "spring", {})
    return Run(producer or FakeProducer(), manifest, "spring", skip_bad=skip_bad, as_json=True)


@pytest.mark.parametrize(
    "wrong", [{"tenant": ["a"]}, {"tenant": {"a": 1}}, {"filter_id": 2**64}, {"queue_ttl": "inf"}, {"note": "\ud800"}]
)
def test_a_wrong_row_is_named_by_its_place(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], wrong: dict[str, Any]
) -> None:
    with pytest.raises(SystemExit, match="2"):
        run(tmp_path / "rows.jsonl", {}, wrong, {}).check()
    problem, summary = capsys.readouterr().err.splitlines()
    assert problem.startswith("line 2 (row 2): ")
    assert summary == "swapline: 1 of 3 rows are wrong; nothing was enqueued."


def test_wrong_rows_can_be_left_out_and_are_in_the_results(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    producer = FakeProducer()
    own, conflict = {"idempotency_key": "mine"}, {"idempotency_key": "mine", "filter_id": 13}
    task = run(tmp_path / "rows.jsonl", {}, {"gender": 9}, own, conflict, {}, producer=producer, skip_bad=True)
    task.check()
    task.enqueue()
    task.seal("https://shop.example/hook")
    assert task.report_end(watched=False) == 1
    captured = capsys.readouterr()
    assert [line.partition(":")[0] for line in captured.err.splitlines()] == ["line 2 (row 2)", "line 4 (row 4)"]
    facts = json.loads(captured.out)
    assert {name: facts[name] for name in ("rows", "enqueued", "known", "skipped", "refused")} == {
        "rows": 5,
        "enqueued": 3,
        "known": 0,
        "skipped": 1,
        "refused": 1,
    }
    task.write_results(tmp_path / "results.csv", None)
    with (tmp_path / "results.csv").open(newline="") as file:
        lines = list(csv.DictReader(file))
    assert [(line["row"], line["line"], line["state"]) for line in lines] == [
        ("1", "1", "QUEUED"),
        ("3", "3", "QUEUED"),
        ("5", "5", "QUEUED"),
        ("2", "2", "NOT_ENQUEUED"),
        ("4", "4", "NOT_ENQUEUED"),
    ]
    assert lines[3]["failure_detail"].startswith("gender: ")
    assert lines[4]["failure_detail"].startswith("The idempotency key 'mine' already belongs to job ")


def test_where_every_row_is_wrong_nothing_is_left_to_enqueue(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit, match="2"):
        run(tmp_path / "rows.jsonl", {"gender": 9}, skip_bad=True).check()
    assert capsys.readouterr().err.endswith("swapline: 1 of 1 rows are wrong; nothing was enqueued.\n")


@pytest.mark.parametrize("name", ["", "a\nb", "\x1b[2J", "x" * 129])
def test_a_name_that_no_batch_can_have_is_refused_at_once(tmp_path: Path, name: str) -> None:
    with pytest.raises(RequestError, match=r"^batch: "):
        Manifest(tmp_path / "none.csv", name, {})
