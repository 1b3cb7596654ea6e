"""A run of a manifest checks each row, whatever is in it, and says of each mistake where it is."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from swapline_producer.cli.batch_run import Run
from swapline_producer.client.manifest import Manifest
from swapline_producer.errors import RequestError
from swapline_producer.testing import FakeProducer

if TYPE_CHECKING:
    from pathlib import Path

GOOD = {"image": "https://pictures.example/me.jpg", "gender": 0, "filter_id": 12}


def run(path: Path, *rows: dict[str, Any]) -> Run:
    path.write_text("\n".join(json.dumps({**GOOD, **row}) for row in rows))
    return Run(FakeProducer(), Manifest(path, "spring", {}), "spring", as_json=True)


@pytest.mark.parametrize(
    "wrong", [{"tenant": ["a"]}, {"tenant": {"a": 1}}, {"filter_id": 2**64}, {"queue_ttl": "inf"}, {"note": "\ud800"}]
)
def test_a_wrong_row_is_named_by_its_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], wrong: dict[str, Any]
) -> None:
    with pytest.raises(SystemExit, match="2"):
        run(tmp_path / "rows.jsonl", {}, wrong, {}).check()
    complaint, summary = capsys.readouterr().err.splitlines()
    assert complaint.startswith("line 2: ")
    assert summary == "swapline: 1 of 3 rows are wrong; nothing was enqueued."


@pytest.mark.parametrize("name", ["", "a\nb", "\x1b[2J", "x" * 129])
def test_a_name_that_no_batch_can_have_is_refused_at_once(tmp_path: Path, name: str) -> None:
    with pytest.raises(RequestError, match=r"^batch: "):
        Manifest(tmp_path / "none.csv", name, {})
