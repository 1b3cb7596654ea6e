"""The examples of the guide for backends run as they stand there, over a real server."""

from __future__ import annotations

import asyncio
import threading
from importlib import import_module
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from support.jobs.factories import PHOTOGRAPH
from support.programs.guides import run
from support.redis.fixtures import waited_for
from swapline_producer import Producer, SwapRequest
from swapline_producer.contract import State
from swapline_producer.contract.answers import Advanced
from swapline_producer.contract.changes import Change

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

    from swapline_producer.contract import Job
    from swapline_workers.local.valkey.server import EmbeddedValkey

    Answer = tuple[int, Any]
    Call = Callable[[str, str, bytes], Answer]

GUIDE = "backends.md"
URL = "https://pictures.example.com/me.jpg"


@pytest.fixture
def producer(valkey: EmbeddedValkey, prefix: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Producer:
    """What the tests look with; the examples find the same settings in the environment."""
    monkeypatch.setenv("SWAPLINE_REDIS_URL", valkey.url)
    monkeypatch.setenv("SWAPLINE_KEY_PREFIX", prefix)
    monkeypatch.setenv("SWAPLINE_STORAGE_URL", (tmp_path / "store").as_uri())
    return Producer.from_env()


def fastapi_backend() -> Call:
    app = run(GUIDE, "FastAPI")["app"]

    async def ask(method: str, path: str, body: bytes) -> httpx.Response:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://backend") as client:
            return await client.request(method, path, content=body, headers={"content-type": "image/jpeg"})

    def call(method: str, path: str, body: bytes) -> Answer:
        answer = asyncio.run(ask(method, path, body))
        return answer.status_code, answer.json()

    return call


def flask_backend() -> Call:
    client = run(GUIDE, "Flask")["app"].test_client()

    def call(method: str, path: str, body: bytes) -> Answer:
        answer = client.open(path, method=method, data=body, content_type="image/jpeg")
        return answer.status_code, answer.json

    return call


def django_backend() -> Call:
    django = pytest.importorskip("django")
    settings = import_module("django.conf").settings
    handler = import_module("django.core.handlers.wsgi").WSGIHandler
    if not settings.configured:
        settings.configure(ALLOWED_HOSTS=["backend"], SECRET_KEY="for tests only", MIDDLEWARE=[], ROOT_URLCONF=())
        django.setup()
    names = run(GUIDE, "Django")
    settings.ROOT_URLCONF = tuple(names["urlpatterns"])
    client = httpx.Client(transport=httpx.WSGITransport(app=handler()), base_url="http://backend")

    def call(method: str, path: str, body: bytes) -> Answer:
        answer = client.request(method, path, content=body, headers={"content-type": "image/jpeg"})
        return answer.status_code, answer.json()

    return call


@pytest.fixture(params=[fastapi_backend, flask_backend, django_backend], ids=["FastAPI", "Flask", "Django"])
def call(request: pytest.FixtureRequest, producer: Producer) -> Call:
    assert producer
    backend: Call = request.param()
    return backend


def end(producer: Producer, job_id: str) -> None:
    job = producer.get(job_id)
    assert isinstance(producer.ledger.transitions.advance(job, Change(to=State.SUCCEEDED)), Advanced)


def test_a_swap_is_taken_once_shown_and_waited_for(call: Call, producer: Producer) -> None:
    path = "/swaps?gender=1&filter_id=12&order=4711"
    status, made = call("POST", path, PHOTOGRAPH)
    assert (status, made["created"]) == (202, True)
    job_id = made["job_id"]
    assert call("POST", path, PHOTOGRAPH) == (202, {"job_id": job_id, "created": False})
    assert call("GET", f"/swaps/{job_id}", b"")[1]["state"] == "QUEUED"
    assert call("GET", f"/swaps/{job_id}/wait?seconds=0.05", b"")[1]["state"] == "QUEUED"
    answers: list[Answer] = []
    waiter = threading.Thread(target=lambda: answers.append(call("GET", f"/swaps/{job_id}/wait?seconds=30", b"")))
    waiter.start()
    channel = f"{producer.ledger.prefix}:done:{job_id}"
    client = producer.ledger.client  # asyncio's waiters share one subscription to all ends
    waited_for(lambda: dict(client.pubsub_numsub(channel))[channel] == 1 or client.pubsub_numpat() == 1)
    end(producer, job_id)
    waiter.join(30)
    assert answers == [
        (200, {"job_id": job_id, "state": "SUCCEEDED", "failure_code": None, "pictures": []}),
    ]


def test_what_is_wrong_is_a_status_and_a_sentence(call: Call) -> None:
    status, problem = call("POST", "/swaps?gender=1&filter_id=12&order=1", b"not a picture")
    assert status == 422
    assert "INVALID_IMAGE" in str(problem)
    assert call("POST", "/swaps?gender=1&filter_id=12&order=2", PHOTOGRAPH)[0] == 202
    assert call("POST", "/swaps?gender=2&filter_id=12&order=2", PHOTOGRAPH)[0] == 409
    assert call("GET", "/swaps/nothing", b"")[0] == 404


@pytest.mark.parametrize("backend", [fastapi_backend, flask_backend], ids=["FastAPI", "Flask"])
def test_a_swap_can_be_canceled(producer: Producer, backend: Callable[[], Call]) -> None:
    call = backend()
    job_id = call("POST", "/swaps?gender=1&filter_id=12&order=1", PHOTOGRAPH)[1]["job_id"]
    assert call("DELETE", f"/swaps/{job_id}", b"") == (200, {"done": True, "charged": False})
    assert producer.get(job_id).state is State.CANCELED


def test_asyncio_waits_for_one_and_for_many(producer: Producer) -> None:
    names = run(GUIDE, "asyncio")
    request = SwapRequest(image=URL, gender=0, filter_id=12)

    async def both() -> list[State]:
        one = asyncio.create_task(names["swap"](request))
        await asyncio.to_thread(waited_for, lambda: producer.ledger.stats.census()[State.QUEUED] == 1)
        end(producer, producer.ledger.jobs.list_ids(State.QUEUED)[0])
        found = [await one]
        many = asyncio.create_task(all_of(names["swap_all"]([request, request])))
        await asyncio.to_thread(waited_for, lambda: producer.ledger.stats.census()[State.QUEUED] == 2)
        for job_id in producer.ledger.jobs.list_ids(State.QUEUED):
            end(producer, job_id)
        return [job.state for job in [*found, *await many]]

    async def all_of(finishing: AsyncIterator[Job]) -> list[Job]:
        return [job async for job in finishing]

    assert asyncio.run(both()) == [State.SUCCEEDED] * 3


def test_many_at_once_says_what_became_of_each(producer: Producer, capsys: pytest.CaptureFixture[str]) -> None:
    run(GUIDE, "Many at once")
    assert capsys.readouterr().out == "4711 enqueued\n4712 enqueued\n4713 ImageError\n"
    assert producer.ledger.stats.census()[State.QUEUED] == 2
