"""Pictures in and out of the shell: standard input, `-o`, `jobs download` and the link in `jobs show`."""

from __future__ import annotations

import hashlib
import json
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest

from support.programs.installation import SWAPLINE
from swapline_simulator import sample_photographs

if TYPE_CHECKING:
    from collections.abc import Generator

    from support.programs.installation import Installation

SWAP = ("--gender", "girl", "--filter-id", "12")


@pytest.fixture
def _worker(installation: Installation) -> Generator[None]:
    with installation.worker():
        yield


def enqueue(installation: Installation, data: bytes, *options: str) -> subprocess.CompletedProcess[bytes]:
    argv = [str(SWAPLINE), "enqueue", "-", *SWAP, *options]
    return subprocess.run(argv, input=data, env=installation.environment, capture_output=True, check=False, timeout=90)


@pytest.mark.usefixtures("_worker")
def test_a_picture_goes_in_by_standard_input_and_comes_out_as_a_file(
    installation: Installation, tmp_path: Path
) -> None:
    out = tmp_path / "out.png"
    hook = "https://shop.example/hook?token=secret"
    options = ("-o", str(out), "--json", "--ratio", "square", "--idempotency-key", "k-1", "--webhook-url", hook)
    done = enqueue(installation, sample_photographs()[0], *options)
    assert (done.returncode, done.stderr) == (0, b"")
    job = json.loads(done.stdout)
    [image] = job["images"]
    assert hashlib.sha256(out.read_bytes()).hexdigest() == image["sha256"]
    assert enqueue(installation, sample_photographs()[0], *options).returncode == 0  # the same job: the same file

    folder = tmp_path / "a" / "b"
    download = ("jobs", "download", job["job_id"], "--to", str(folder))
    downloaded = json.loads(installation.cli(*download, "--json").stdout)
    [file] = downloaded["files"]
    assert Path(file).read_bytes() == out.read_bytes()
    assert installation.cli(*download).stdout == f"{file}\n"  # what is there already is left alone
    Path(file).write_bytes(b"mine")
    refused = installation.cli(*download)
    assert (refused.returncode, Path(file).read_bytes()) == (1, b"mine")
    assert "nothing was overwritten" in refused.stderr

    text = installation.cli("jobs", "show", job["job_id"], COLUMNS="240").stdout
    shown = json.loads(installation.cli("jobs", "show", job["job_id"], "--json").stdout)
    facts = {"gender": "girl", "filter_id": 12, "ratio": "square", "idempotency_key": "k-1"}
    facts |= {"webhook_url": "https://shop.example/hook?…"}
    assert {name: shown[name] for name in facts} == facts
    assert [line for line in text.splitlines() if line.split() == ["gender", "girl"]]
    assert "https://shop.example/hook?…" in text
    assert "secret" not in text + json.dumps(shown)
    link = shown["images"][0]["url"]
    assert link in text
    assert Path(urlsplit(link).path).read_bytes() == out.read_bytes()


def test_nothing_is_enqueued_where_the_file_could_not_be_written_in_the_end(
    installation: Installation, tmp_path: Path
) -> None:
    (tmp_path / "there.png").write_text("mine")
    for path, sentence in ((tmp_path / "there.png", "is there already"), (tmp_path / "no" / "x.png", "does not exist")):
        refused = enqueue(installation, sample_photographs()[0], "-o", str(path))
        assert (refused.returncode, sentence in refused.stderr.decode()) == (2, True)
    assert json.loads(installation.cli("jobs", "list", "--json").stdout) == []
    assert (tmp_path / "there.png").read_text() == "mine"


@pytest.mark.parametrize("data", [b"", b"no picture", sample_photographs()[0][:5000]])
def test_what_is_no_picture_on_standard_input_is_a_sentence(installation: Installation, data: bytes) -> None:
    refused = enqueue(installation, data)
    assert (refused.returncode, b"(INVALID_IMAGE)" in refused.stderr) == (2, True)


def test_the_exit_code_of_o_is_that_of_wait(installation: Installation, tmp_path: Path) -> None:
    unfinished = enqueue(installation, sample_photographs()[0], "-o", str(tmp_path / "x.png"), "--timeout", "0.2")
    assert unfinished.returncode == 3  # no worker runs
    assert b"it goes on.\nswapline: When it has succeeded: swapline jobs download " in unfinished.stderr
    assert list(tmp_path.glob("*.png")) == []
