"""Server-sent events over real HTTP: nothing is skipped or repeated, and one connection serves all listeners."""

from __future__ import annotations

import json
import threading
from typing import TYPE_CHECKING

import requests

from support.redis.fixtures import waited_for
from support.services.gateways import BODY, Gateway, serving

if TYPE_CHECKING:
    from collections.abc import Iterator

    from swapline_gateway.settings import GatewaySettings


def listen(gateway: Gateway, swap_id: str, last: str | None = None) -> requests.Response:
    headers = {"Authorization": f"Bearer {gateway.key}"} | ({"Last-Event-ID": last} if last else {})
    return requests.get(f"{gateway.url}/v1/swaps/{swap_id}/events", headers=headers, stream=True, timeout=30)


def events(answer: requests.Response) -> Iterator[tuple[str, dict[str, object]]]:
    """(id, data) of each event of a stream, until it ends."""
    found = ""
    for line in answer.iter_lines(decode_unicode=True):
        if line.startswith("id: "):
            found = line.removeprefix("id: ")
        elif line.startswith("data: "):
            yield found, json.loads(line.removeprefix("data: "))


def test_a_listener_hears_the_story_and_then_the_end(gateway: Gateway) -> None:
    swap = gateway.post("/v1/swaps", json=BODY).json()
    with listen(gateway, swap["id"]) as answer:
        assert answer.headers["Content-Type"].startswith("text/event-stream")
        stream = events(answer)
        first, queued = next(stream)
        gateway.post(swap["links"]["cancel"])
        last, canceled = next(stream)
        assert list(stream) == []
    assert (queued["name"], queued["state"], canceled["name"], canceled["state"]) == (
        "queued",
        "QUEUED",
        "canceled",
        "CANCELED",
    )
    with listen(gateway, swap["id"], first) as again:
        assert [found for found, _ in events(again)] == [last]
    assert listen(gateway, swap["id"], last).status_code == 204
    with listen(gateway, swap["id"], "1-0") as unknown:
        assert len(list(events(unknown))) == 2


def test_another_tenant_hears_nothing(gateway: Gateway) -> None:
    swap = gateway.post("/v1/swaps", json=BODY).json()
    assert gateway.get(swap["links"]["events"], key=gateway.new_key("umbrella")).status_code == 404


def test_many_listeners_share_one_connection_and_all_hear_the_end(gateway: Gateway) -> None:
    swaps = [gateway.post("/v1/swaps", json=BODY).json() for _ in range(10)]
    received: list[object] = []
    answers = [listen(gateway, swap["id"]) for swap in swaps for _ in range(3)]

    def read(answer: requests.Response) -> None:
        received.append([data["state"] for _, data in events(answer)][-1])

    threads = [threading.Thread(target=read, args=(answer,)) for answer in answers]
    for thread in threads:
        thread.start()
    client = gateway.producer.ledger.client
    name = gateway.producer.ledger.prefix
    waited_for(lambda: len(client.pubsub_channels(f"{name}:moved:*")) == 11)  # ten jobs, and one to wake the thread
    assert {number for _, number in client.pubsub_numsub(*client.pubsub_channels(f"{name}:moved:*"))} == {1}
    for swap in swaps:
        gateway.post(swap["links"]["cancel"])
    for thread in threads:
        thread.join(30)
    assert received == ["CANCELED"] * 30
    waited_for(lambda: client.pubsub_channels(f"{name}:moved:*") == [])


def test_a_gateway_that_stops_ends_the_streams(gateway_settings: GatewaySettings) -> None:
    with serving(gateway_settings) as gateway:
        swap = gateway.post("/v1/swaps", json=BODY).json()
        answer = listen(gateway, swap["id"])
        stream = events(answer)
        next(stream)
    assert list(stream) == []
