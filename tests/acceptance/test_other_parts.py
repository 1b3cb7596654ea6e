"""The same system with other parts: an S3 server, Celery's own command, another pool, two on one server."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING

import boto3  # type: ignore[import-untyped]  # it carries no types
import pytest
import requests
from moto.server import ThreadedMotoServer

from support.programs.installation import Installation
from swapline_producer import State

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

    from support.programs.installation import Receiver


@pytest.fixture
def s3(installation: Installation, monkeypatch: pytest.MonkeyPatch) -> Generator[str]:
    """A bucket on a real S3 server; gives the server's address."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    _, port = server.get_host_and_port()
    endpoint = f"http://127.0.0.1:{port}"
    aws = {
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_REGION": "us-east-1",
        "AWS_DEFAULT_REGION": "us-east-1",
    }
    installation.more |= aws | {"SWAPLINE_STORAGE_URL": "s3://faces/shop"}
    for name, value in aws.items():
        monkeypatch.setenv(name, value)
    boto3.client("s3").create_bucket(Bucket="faces")
    yield endpoint
    server.stop()


def test_pictures_go_to_s3_and_the_webhook_has_a_link_that_works(
    installation: Installation,
    photograph: Path,
    receiver: Receiver,
    s3: str,
) -> None:
    with installation.worker():
        command = ("enqueue", str(photograph), "--gender", "1", "--filter-id", "12", "--webhook-url", receiver.url)
        done = installation.cli(*command, "--wait", "--json")
        assert done.returncode == 0, done.stderr
        _, event = receiver.next()
    [image] = event.data.images
    assert image.url.startswith(f"{s3}/faces/shop/results/default/")
    fetched = requests.get(image.url, timeout=30)
    assert (fetched.status_code, len(fetched.content)) == (200, image.bytes)
    listed = boto3.client("s3").list_objects_v2(Bucket="faces")["Contents"]
    assert sum("/results/" in item["Key"] for item in listed) == 2  # the picture and its receipt


@pytest.mark.parametrize("arguments", [(), ("-P", "prefork", "-c", "2"), ("-P", "solo")])
def test_celerys_own_command_and_other_pools_work(
    installation: Installation,
    photograph: Path,
    arguments: tuple[str, ...],
) -> None:
    with installation.celery_worker(*arguments) as worker:
        job = installation.run(image=photograph, gender=0, filter_id=12)
    assert (job.state, job.credits) == (State.SUCCEEDED, 2)
    assert "Traceback" not in worker.log()


def test_a_long_call_in_a_child_of_the_prefork_pool_is_not_rescued(
    installation: Installation, photograph: Path
) -> None:
    installation.more["SWAPLINE_RESCUE_AFTER"] = "1"
    installation.vendor.control.set_mode("submit_slow_accepted", amount=3)
    with installation.celery_worker("-P", "prefork", "-c", "1"):
        job = installation.run(image=photograph, gender=0, filter_id=12)
    assert (job.state, job.attempts) == (State.SUCCEEDED, 1)
    assert installation.vendor.control.report().credits_spent == 2


def test_two_installations_share_a_server_and_not_a_job(installation: Installation, photograph: Path) -> None:
    other = Installation(
        installation.valkey,
        f"{installation.prefix}-other",
        installation.store.with_name("other"),
        installation.vendor,
        installation.receiver,
    )
    with installation.worker():
        mine = installation.run(image=photograph, gender=0, filter_id=12)
        enqueue = ("enqueue", str(photograph), "--gender", "0", "--filter-id", "12", "--json")
        theirs = json.loads(other.cli(*enqueue).stdout)["job_id"]
        assert other.cli("jobs", "wait", theirs, "--timeout", "1").returncode == 3
        assert installation.cli("jobs", "show", theirs).returncode == 1
    assert mine.state is State.SUCCEEDED


@pytest.mark.parametrize("spelling", ["bytes", "data URI", "base64", "URL"])
def test_a_picture_may_be_given_in_any_spelling(installation: Installation, photograph: Path, spelling: str) -> None:
    text = base64.b64encode(photograph.read_bytes()).decode()
    spellings: dict[str, bytes | str] = {
        "bytes": photograph.read_bytes(),
        "data URI": f"data:image/jpeg;base64,{text}",
        "base64": text,
        "URL": "https://pictures.example/me.jpg",
    }
    with installation.worker():
        job = installation.run(image=spellings[spelling], gender=0, filter_id=12)
    assert job.state is State.SUCCEEDED
    assert job.spec.image.kind == ("url" if spelling == "URL" else "stored")
