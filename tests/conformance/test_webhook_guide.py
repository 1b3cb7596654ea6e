"""The examples of the guides run as they stand there."""

from __future__ import annotations

import asyncio
import re
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from support.jobs.deliveries import EVENT, URL
from swapline_producer.contract import BatchData, BatchEvent, EventType, State
from swapline_producer.contract.events import read_event
from swapline_producer.webhooks.signing import new_secret, sign

if TYPE_CHECKING:
    from collections.abc import Callable

GUIDES = Path(__file__).parents[2] / "docs" / "guides"
SECRET, OLDER = new_secret(), new_secret()
BODY = EVENT.to_json()


def run(guide: str, heading: str, old: str = "", new: str = "") -> dict[str, Any]:
    """Run the Python block below a heading of a guide, a word replaced; give its names."""
    text = (GUIDES / guide).read_text()
    found = re.search(rf"^## {heading}\n.*?^```python\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
    assert found, f"{guide} has no Python block below {heading}"
    code = found[1].replace(old, new) if old else found[1]
    names: dict[str, Any] = {"__name__": "guide"}
    exec(compile(code, f"{guide}: {heading}", "exec", dont_inherit=True), names)  # noqa: S102 -- our own guide
    return names


def flask_client() -> Callable[[bytes, dict[str, str]], tuple[int, str]]:
    client = run("receiving-webhooks.md", "Flask")["app"].test_client()

    def post(body: bytes, headers: dict[str, str]) -> tuple[int, str]:
        answer = client.post("/swapline", data=body, headers=headers, content_type="application/json")
        return answer.status_code, answer.text

    return post


def fastapi_client() -> Callable[[bytes, dict[str, str]], tuple[int, str]]:
    app = run("receiving-webhooks.md", "FastAPI")["app"]

    async def call(body: bytes, headers: dict[str, str]) -> httpx.Response:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://receiver") as client:
            return await client.post("/swapline", content=body, headers=headers)

    def post(body: bytes, headers: dict[str, str]) -> tuple[int, str]:
        answer = asyncio.run(call(body, {**headers, "content-type": "application/json"}))
        return answer.status_code, answer.text

    return post


@pytest.fixture(params=[flask_client, fastapi_client], ids=["Flask", "FastAPI"])
def post(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Callable[..., tuple[int, str]]:
    monkeypatch.setenv("SWAPLINE_WEBHOOK_SECRETS", f"{SECRET},{OLDER}")
    receiver: Callable[..., tuple[int, str]] = request.param()
    return receiver


@pytest.mark.parametrize("secret", [SECRET, OLDER], ids=["one", "the other"])
def test_the_example_takes_a_webhook_and_does_its_work_once(
    post: Callable[..., tuple[int, str]],
    capsys: pytest.CaptureFixture[str],
    secret: str,
) -> None:
    for _ in range(2):
        assert post(BODY, sign(BODY, "msg_1", int(time.time()), secret)) == (204, "")
    assert capsys.readouterr().out == f"ü 1 {URL}\n"


def test_the_example_refuses_what_is_not_ours(
    post: Callable[..., tuple[int, str]],
    capsys: pytest.CaptureFixture[str],
) -> None:
    now = int(time.time())
    for body, headers, reason in (
        (BODY, {}, "webhook-id is missing"),
        (BODY + b" ", sign(BODY, "msg_1", now, SECRET), "No signature matches"),
        (BODY, sign(BODY, "msg_1", now, new_secret()), "No signature matches"),
        (BODY, sign(BODY, "msg_1", now - 400, SECRET), "too old"),
    ):
        status, answer = post(body, headers)
        assert status == 400
        assert reason in answer
    assert capsys.readouterr().out == ""


def test_the_public_package_reads_our_webhook_as_the_guide_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SWAPLINE_WEBHOOK_SECRETS", SECRET)
    read = run("receiving-webhooks.md", "Without our package")["read"]
    assert read(BODY, sign(BODY, "msg_1", int(time.time()), [OLDER, SECRET]))["data"]["job_id"] == "j1"


def test_the_example_tells_a_batch_from_a_job() -> None:
    take = run("receiving-webhooks.md", "Batches")["take"]
    data = BatchData(batch="spring", tenant="acme", jobs=1, states={State.FAILED: 1}, failures={}, credits=0)
    batch = BatchEvent(type=EventType.BATCH_COMPLETED, timestamp=EVENT.timestamp, sequence=1, data=data)
    assert (take(EVENT), take(batch)) == ("j1: SUCCEEDED", f"spring: {data.states}")


def test_the_batch_in_the_guide_is_one() -> None:
    text = (GUIDES / "receiving-webhooks.md").read_text().partition("## Batches")[2]
    found = re.search(r"^```json\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
    assert found
    event = read_event(found[1].encode())
    assert isinstance(event, BatchEvent)
    assert (event.data.jobs, sum(event.data.states.values())) == (10_000, 10_000)


def test_the_guide_names_every_event() -> None:
    text = (GUIDES / "receiving-webhooks.md").read_text()
    assert [event for event in EventType if f"`{event}`" not in text] == []


def test_the_example_of_the_storage_guide_runs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run("storage.md", "From Python", "file:///tmp/swapline-guide", tmp_path.as_uri())
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == f"22 {tmp_path.as_uri()}/results/example/0.png"
    assert lines[1:] == ["results/example/0.png 22"]
