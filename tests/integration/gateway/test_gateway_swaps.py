"""`/v1/swaps` over real HTTP: what comes in, what is answered, and that a repetition is found again."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING

import pytest

from support.pictures.photographs import corner, exif, saved
from support.services.gateways import BODY, URL, Gateway
from swapline_producer.contract import State, StoredImage
from swapline_simulator import sample_photographs

if TYPE_CHECKING:
    from pathlib import Path

PHOTO = sample_photographs()[0]


def test_a_url_is_answered_202_with_a_place_to_look(gateway: Gateway) -> None:
    answer = gateway.post("/v1/swaps", json=BODY | {"metadata": {"order": "4711"}})
    assert answer.status_code == 202, answer.text
    swap = answer.json()
    assert (swap["state"], swap["charged"], swap["metadata"]) == ("QUEUED", False, {"order": "4711"})
    assert answer.headers["Location"] == swap["links"]["self"] == f"/v1/swaps/{swap['id']}"
    job = gateway.producer.get(swap["id"])
    assert (job.tenant, job.state, job.spec.image.kind) == ("acme", State.QUEUED, "url")
    assert gateway.get(answer.headers["Location"]).json()["id"] == job.job_id


def test_a_file_and_base64_store_the_same_picture(gateway: Gateway, tmp_path: Path) -> None:
    form = {"gender": "female", "filter_id": "12", "metadata": '{"order": "4711"}'}
    as_file = gateway.post("/v1/swaps", files={"image": ("me.jpg", PHOTO)}, data=form)
    text = base64.b64encode(PHOTO).decode()
    as_text = gateway.post("/v1/swaps", json={"image": text, "gender": 1, "filter_id": 12})
    assert [as_file.status_code, as_text.status_code] == [202, 202], as_file.text
    jobs = [gateway.producer.get(answer.json()["id"]) for answer in (as_file, as_text)]
    assert jobs[0].spec.image == jobs[1].spec.image
    assert jobs[0].spec.metadata == {"order": "4711"}
    assert [file.read_bytes() for file in (tmp_path / "store" / "inputs").iterdir()] == [PHOTO]


def test_a_telephones_photograph_is_prepared_and_what_is_strictly_so_is_refused(
    gateway: Gateway, tmp_path: Path
) -> None:
    heic = saved("HEIF", exif=exif(orientation=6, gps=True).tobytes())
    form = {"gender": "female", "filter_id": "12"}
    answer = gateway.post("/v1/swaps", files={"image": ("IMG_0001.HEIC", heic)}, data=form)
    assert answer.status_code == 202, answer.text
    image = gateway.producer.get(answer.json()["id"]).spec.image
    assert isinstance(image, StoredImage)
    assert image.prepared
    assert (image.media_type, image.prepared.media_type) == ("image/jpeg", "image/heic")
    [stored] = (tmp_path / "store" / "inputs").iterdir()
    assert (corner(stored.read_bytes()), b"Exif" in stored.read_bytes()) == ("top right", False)
    for prepare in ("strict", "off"):
        refused = gateway.post("/v1/swaps", files={"image": ("me.heic", heic)}, data=form | {"prepare": prepare})
        problem = refused.json()
        assert (refused.status_code, problem["failure_code"], problem["charged"]) == (422, "INVALID_IMAGE", False)


def test_a_repeated_key_finds_the_same_swap_and_another_body_is_a_conflict(gateway: Gateway) -> None:
    headers = {"Idempotency-Key": "order-4711"}
    first = gateway.post("/v1/swaps", json=BODY, headers=headers)
    again = gateway.post("/v1/swaps", json=BODY, headers={"Idempotency-Key": '"order-4711"'})
    other = gateway.post("/v1/swaps", json=BODY | {"gender": 0}, headers=headers)
    assert [first.status_code, again.status_code, other.status_code] == [202, 200, 409]
    assert first.json()["id"] == again.json()["id"]
    assert other.json()["type"] == "urn:swapline:problem:idempotency-conflict"
    assert other.json()["charged"] is False


def test_the_same_key_of_another_tenant_is_another_key(gateway: Gateway) -> None:
    headers = {"Idempotency-Key": "order-4711"}
    first = gateway.post("/v1/swaps", json=BODY, headers=headers)
    other = gateway.post("/v1/swaps", json=BODY | {"gender": 0}, headers=headers, key=gateway.new_key("umbrella"))
    assert [first.status_code, other.status_code] == [202, 202]


def test_anothers_swap_is_not_there(gateway: Gateway) -> None:
    swap = gateway.post("/v1/swaps", json=BODY).json()
    other = gateway.new_key("umbrella")
    for method, path in (("GET", ""), ("POST", "/cancel")):
        answer = gateway(method, swap["links"]["self"] + path, key=other)
        assert (answer.status_code, answer.json()["type"]) == (404, "urn:swapline:problem:not-found")
    assert gateway.get("/v1/swaps", key=other).json() == {"swaps": [], "next": None}
    assert gateway.get(swap["links"]["self"]).json()["state"] == "QUEUED"


@pytest.mark.parametrize(
    ("body", "status", "field", "code"),
    [
        ({"gender": 1, "filter_id": 12}, 422, "image", "INVALID_IMAGE"),
        (BODY | {"filter_id": -1}, 422, "filter_id", "FILTER_NOT_FOUND"),
        (BODY | {"quality_mode": "v9"}, 422, "quality_mode", "INVALID_QUALITY_MODE"),
        (BODY | {"image": "/etc/passwd"}, 422, "image", "INVALID_IMAGE"),
        (BODY | {"image": "https://10.0.0.1/a.jpg"}, 422, "image", "INVALID_IMAGE"),
        (BODY | {"tenant": "umbrella"}, 422, "tenant", None),
        (BODY | {"idempotency_key": "a"}, 422, "idempotency_key", None),
        (BODY | {"webhook_url": "ftp://a"}, 422, "webhook_url", None),
        (BODY | {"colour": "red"}, 422, "colour", None),
    ],
)
def test_a_wrong_field_is_named(
    gateway: Gateway, body: dict[str, object], status: int, field: str, code: str | None
) -> None:
    answer = gateway.post("/v1/swaps", json=body)
    problem = answer.json()
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert (answer.status_code, problem["status"], problem["field"]) == (status, status, field)
    assert problem.get("failure_code") == code
    assert problem["charged"] is False
    assert problem["detail"]


@pytest.mark.parametrize("data", [b"{", b"[]", b"\xff", b"", b'{"image": NaN}', b"[" * 5000, b'{"a": "\\ud800"}'])
def test_a_body_that_is_no_json_object_is_a_400(gateway: Gateway, data: bytes) -> None:
    answer = gateway.post("/v1/swaps", data=data, headers={"Content-Type": "application/json"})
    assert (answer.status_code, answer.json()["type"]) == (400, "urn:swapline:problem:malformed-body")


@pytest.mark.parametrize(
    ("kind", "data"),
    [
        ("multipart/form-data", b"--x\r\n"),
        ("multipart/form-data; boundary=x", b"--y\r\n\r\n"),
        (
            "multipart/form-data; boundary=x",
            b'--x\r\nContent-Disposition: form-data; name="image"; filename="a"\r\n\r\nabc',
        ),
    ],
)
def test_a_broken_form_is_a_400_or_names_what_is_missing(gateway: Gateway, kind: str, data: bytes) -> None:
    answer = gateway.post("/v1/swaps", data=data, headers={"Content-Type": kind})
    assert answer.status_code in {400, 422}, answer.text


def test_another_type_of_body_is_refused(gateway: Gateway) -> None:
    answer = gateway.post("/v1/swaps", data=b"a=b", headers={"Content-Type": "application/x-www-form-urlencoded"})
    assert answer.status_code == 415


def test_a_canceled_swap_says_whether_it_was_charged(gateway: Gateway) -> None:
    swap = gateway.post("/v1/swaps", json=BODY).json()
    canceled = gateway.post(swap["links"]["cancel"])
    assert (canceled.status_code, canceled.json()["charged"]) == (200, False)
    assert canceled.json()["swap"]["state"] == "CANCELED"
    assert canceled.json()["swap"]["failure"]["code"] == "CANCELED"
    assert gateway.post(swap["links"]["cancel"], json={"keep_result": "maybe"}).status_code == 422


def test_pages_have_every_swap_once_whatever_comes_meanwhile(gateway: Gateway) -> None:
    made = [gateway.post("/v1/swaps", json=BODY | {"metadata": {"n": str(n)}}).json()["id"] for n in range(7)]
    seen: list[str] = []
    path: str | None = "/v1/swaps?limit=3"
    while path:
        page = gateway.get(path).json()
        seen += [swap["id"] for swap in page["swaps"]]
        gateway.post("/v1/swaps", json=BODY)
        gateway.post(f"/v1/swaps/{made[0]}/cancel")
        path = f"/v1/swaps?limit=3&cursor={page['next']}" if page["next"] else None
    assert seen == made[::-1]


def test_lists_are_filtered_by_state_batch_and_tag(gateway: Gateway) -> None:
    one, two, _ = (
        gateway.post("/v1/swaps", json=BODY | more).json()["id"]
        for more in ({"batch": "spring"}, {"metadata": {"order": "4711"}}, {"metadata": {"order": "4712"}})
    )
    gateway.post(f"/v1/swaps/{one}/cancel")

    def ids(query: str) -> list[str]:
        return [swap["id"] for swap in gateway.get(f"/v1/swaps?{query}").json()["swaps"]]

    assert ids("state=CANCELED") == ids("batch=spring") == [one]
    assert ids("tag=order:4711") == [two]
    assert len(ids("tag=order")) == 2
    assert ids("tag=order:4711&state=CANCELED") == []


def test_a_cursor_belongs_to_its_filters(gateway: Gateway) -> None:
    for _ in range(3):
        gateway.post("/v1/swaps", json=BODY)
    cursor = gateway.get("/v1/swaps?limit=1").json()["next"]
    for query in (f"cursor={cursor}&state=QUEUED", "cursor=AAAA", "cursor=%00", "limit=0", "state=SLEEPING"):
        answer = gateway.get(f"/v1/swaps?{query}")
        assert answer.status_code == 422, query
        assert answer.json()["field"] in {"cursor", "limit", "state", "0"}


def test_an_answer_waits_for_the_end_where_it_is_asked_to(gateway: Gateway) -> None:
    swap = gateway.post("/v1/swaps", json=BODY, headers={"Prefer": "respond-async, wait=1"})
    assert (swap.status_code, swap.headers["Preference-Applied"]) == (202, "wait=1")
    assert swap.json()["state"] == "QUEUED"
    assert URL not in swap.text
