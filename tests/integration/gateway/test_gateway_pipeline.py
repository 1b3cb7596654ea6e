"""The whole way over HTTP: with real workers, a simulated vendor, a store and a receiver."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import pytest

from support.services.gateways import Gateway, serving, settings_of
from swapline_producer.contract.jobs.service_times import EVERY_KIND
from swapline_simulator import sample_photographs

if TYPE_CHECKING:
    from collections.abc import Generator

    from support.programs.installation import Installation, Receiver
    from support.stores.s3 import S3Server

FORM = {"gender": "female", "filter_id": "12"}


@pytest.fixture
def whole(installation: Installation) -> Generator[Gateway]:
    with serving(settings_of(installation)) as gateway:
        yield gateway


def test_an_answer_that_waits_has_the_picture(whole: Gateway, installation: Installation, receiver: Receiver) -> None:
    files = {"image": ("me.jpg", sample_photographs()[0])}
    with installation.worker():
        answer = whole.post(
            "/v1/swaps", files=files, data=FORM | {"webhook_url": receiver.url}, headers={"Prefer": "wait=60"}
        )
        _, event = receiver.next()
    swap = answer.json()
    assert (answer.status_code, swap["state"], swap["charged"], swap["credits"]) == (200, "SUCCEEDED", True, 2)
    assert event.data.job_id == swap["id"]
    [image] = swap["images"]
    picture = whole.get(image["url"])
    assert (picture.status_code, picture.headers["Content-Type"]) == (200, "image/png")
    assert hashlib.sha256(picture.content).hexdigest() == image["sha256"] == picture.headers["ETag"].strip('"')
    _check_ranges(whole, image["url"], picture.content, picture.headers["ETag"])
    assert whole.get(image["url"], key=whole.new_key("umbrella")).status_code == 404
    assert whole.get(f"/v1/swaps/{swap['id']}/images/1").status_code == 404
    (installation.store / whole.producer.get(swap["id"]).images[0].key).unlink()
    assert whole.get(image["url"]).status_code == 410
    replayed = whole.post(swap["links"]["replay"], json={"step": "submit"})
    assert (replayed.status_code, replayed.json()["type"]) == (409, "urn:swapline:problem:not-possible")


def _check_ranges(gateway: Gateway, url: str, data: bytes, tag: str) -> None:
    for asked, part in (("bytes=0-9", data[:10]), ("bytes=5-", data[5:]), ("bytes=-7", data[-7:])):
        found = gateway.get(url, headers={"Range": asked})
        assert (found.status_code, found.content) == (206, part)
    assert gateway.get(url, headers={"Range": f"bytes={len(data)}-"}).status_code == 416
    assert gateway.get(url, headers={"Range": "bytes=-0"}).status_code == 416
    assert gateway.get(url, headers={"Range": "bytes=0-9", "If-Range": '"other"'}).status_code == 200
    assert gateway.get(url, headers={"If-None-Match": tag}).status_code == 304


def test_a_store_with_links_is_where_pictures_are_fetched(
    installation: Installation, s3_server: S3Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    s3_server.enter(monkeypatch)
    url = f"s3://{s3_server.new_bucket()}"
    installation.more |= {"SWAPLINE_STORAGE_URL": url}
    with serving(settings_of(installation, storage_url=url)) as gateway, installation.worker():
        files = {"image": ("me.jpg", sample_photographs()[0])}
        swap = gateway.post("/v1/swaps", files=files, data=FORM, headers={"Prefer": "wait=60"}).json()
        answer = gateway.get(swap["images"][0]["url"], allow_redirects=False)
        assert answer.status_code == 302
        picture = gateway.session.get(answer.headers["Location"], timeout=30)
    assert hashlib.sha256(picture.content).hexdigest() == swap["images"][0]["sha256"]


def test_a_waiting_swap_knows_its_place_and_when_it_will_end(gateway: Gateway) -> None:
    ledger = gateway.producer.ledger
    body = {"image": "https://pictures.example/me.jpg", "gender": 1, "filter_id": 12}
    swaps = [gateway.post("/v1/swaps", json=body).json() for _ in range(6)]
    for swap in swaps:
        ledger.transitions.line_up(gateway.producer.get(swap["id"]))
    found = [gateway.get(swap["links"]["self"]).json() for swap in swaps]
    assert [one["queue"] and one["queue"]["position"] for one in found] == [None, None, None, 1, 2, 3]
    assert found[5]["estimated_end"] is None
    ledger.client.hset(f"{ledger.prefix}:hist:{EVERY_KIND}", mapping={"80": "100", "jobs": "100"})  # 6.1 to 6.5 s
    ends = [gateway.get(swap["links"]["self"]).json()["estimated_end"] for swap in swaps]
    assert all(ends)
    assert ends[3] < ends[4] < ends[5]
