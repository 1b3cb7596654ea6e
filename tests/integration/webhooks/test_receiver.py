"""The demo's webhook receiver: believes signatures and nothing else, and writes down everything."""

from __future__ import annotations

import json
import os
import sys
import time
from typing import TYPE_CHECKING

import pytest
import requests

from support.jobs.deliveries import EVENT
from swapline_producer.webhooks.signing import new_secret, sign
from swapline_workers.local.demo.receiver import read_record
from swapline_workers.local.errors import ChildFailed
from swapline_workers.local.ready import read_ready_file, ready_file_written
from swapline_workers.local.supervision.child import Child, Program

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

SECRET, NEXT_SECRET, STRANGERS_SECRET = new_secret(), new_secret(), new_secret()
BODY = EVENT.to_json()


def receiver(folder: Path, **settings: str) -> Child:
    options = ("--port", "0", "--ready-file", str(folder / "ready.json"), "--record", str(folder / "record.jsonl"))
    return Child(
        Program(
            name="receiver",
            argv=(sys.executable, "-m", "swapline_workers.local.demo.receiver", *options),
            env={"PATH": os.environ["PATH"], **settings},
            cwd=folder,
            log=folder / "receiver.log",
            ready=ready_file_written(folder / "ready.json"),
        ),
    )


@pytest.fixture
def url(tmp_path: Path) -> Generator[str]:
    child = receiver(tmp_path, SWAPLINE_WEBHOOK_SECRETS=f"{SECRET},{NEXT_SECRET}")
    child.start()
    yield str(read_ready_file(tmp_path / "ready.json")["url"])
    child.stop()


def post(url: str, secret: str, body: bytes = BODY) -> int:
    headers = sign(BODY, "msg_1", int(time.time()), secret)
    return requests.post(url, data=body, headers=headers, timeout=30).status_code


@pytest.mark.parametrize("secret", [SECRET, NEXT_SECRET], ids=["one", "the other"])
def test_a_delivery_signed_with_any_of_its_secrets_is_taken_and_written_down(
    url: str, tmp_path: Path, secret: str
) -> None:
    assert post(url, secret) == 204
    delivery = json.loads((tmp_path / "record.jsonl").read_text())
    assert delivery.pop("time")
    assert delivery == {
        "id": "msg_1",
        "type": "swap.succeeded",
        "job_id": "j1",
        "verified": True,
        "reason": None,
    }


def test_a_delivery_that_cannot_be_trusted_is_refused_and_written_down_without_what_it_claims(
    url: str, tmp_path: Path
) -> None:
    assert (post(url, STRANGERS_SECRET), post(url, SECRET, BODY + b" ")) == (400, 400)
    assert [(one.verified, one.job_id, bool(one.reason)) for one in read_record(tmp_path / "record.jsonl")] == [
        (False, None, True),
        (False, None, True),
    ]


def test_a_body_that_no_event_can_have_is_not_read(url: str, tmp_path: Path) -> None:
    assert post(url, SECRET, b"x" * 70_000) == 413
    assert read_record(tmp_path / "record.jsonl") == []


def test_it_does_not_start_without_a_secret(tmp_path: Path) -> None:
    with pytest.raises(ChildFailed, match="SWAPLINE_WEBHOOK_SECRETS is missing"):
        receiver(tmp_path).start()


def test_it_does_not_start_with_a_secret_that_is_none(tmp_path: Path) -> None:
    with pytest.raises(ChildFailed, match=r"after whsec_ comes standard base64"):
        receiver(tmp_path, SWAPLINE_WEBHOOK_SECRETS="whsec_!").start()
