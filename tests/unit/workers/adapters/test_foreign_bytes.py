"""Whatever stands where foreign bytes are parsed: one of our own errors or an answer, and never anything else.

The vendor's replies, PNGs and addresses have fuzz tests beside their own: test_reply, test_evidence, test_acceptance,
test_png, test_addresses. Here are the others.
"""

from __future__ import annotations

import base64
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from support.jobs.fakes import job
from support.pictures.pngs import png
from swapline_producer import SwapRequest
from swapline_producer.client.batches.manifest import Manifest, Row
from swapline_producer.client.inputs.images import Link, Picture, read_image
from swapline_producer.contract import JobEvent, StoredImage
from swapline_producer.errors import ImageError, RequestError, SwaplineError, WebhookVerificationError
from swapline_producer.ledger.jobs.record import job_of
from swapline_producer.webhooks.signing import new_secret, verify
from swapline_workers.adapters.http.replies.retry_after import retry_after
from swapline_workers.core.reply.picture_text import PictureError, decode
from swapline_workers.core.reply.png import PngError, walk
from swapline_workers.core.reply.status_reply import ReplyError, read

if TYPE_CHECKING:
    from collections.abc import Mapping

SECRET = new_secret()
HEADERS = ("webhook-id", "webhook-timestamp", "webhook-signature")
any_text = st.text(alphabet=st.characters(codec=None), max_size=300)
any_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | any_text,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(any_text, inner, max_size=4),
    max_leaves=12,
)
GOOD = png()
DATA_URI = "data:image/png;base64," + base64.b64encode(GOOD).decode()


@given(st.none() | any_text | st.from_regex(r"[A-Za-z0-9, :+.-]{0,60}"), st.floats(0, 4e9))
@example("Fri, 31 Dec 9999 23:59:59 -2359", 0.0)
@example("99999999999999999999", 0.0)
@example("٣", 0.0)
def test_retry_after_is_seconds_or_nothing(header: str | None, now: float) -> None:
    wait = retry_after(header, now)
    assert wait is None or wait >= 0


@given(any_text)
@example("data:;base64,")
@example("data:image/png;base64,%ff%00")
@example("http://[::1")
def test_a_text_is_a_picture_a_link_or_refused(text: str) -> None:
    try:
        found = read_image(text)
    except ImageError:
        return
    assert isinstance(found, (Picture, Link))


@given(st.data())
def test_a_data_uri_with_a_slip_in_it_is_refused_or_still_the_picture(data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(DATA_URI) - 1))
    slip = data.draw(st.characters(codec=None))
    try:
        found = read_image(DATA_URI[:at] + slip + DATA_URI[at + 1 :])
    except ImageError:
        return
    assert isinstance(found, (Picture, Link))


@given(st.binary(max_size=400), st.sampled_from([b"", GOOD[:40], b"\xff\xd8\xff\xe0", b"RIFF\x20\0\0\0WEBPVP8X"]))
def test_bytes_are_a_picture_or_refused(data: bytes, head: bytes) -> None:
    try:
        found = read_image(head + data)
    except ImageError:
        return
    assert isinstance(found, Picture)
    assert found.width > 0


@given(st.binary(max_size=400), st.dictionaries(st.sampled_from(HEADERS), any_text))
def test_a_webhook_that_is_none_is_refused(body: bytes, headers: Mapping[str, str]) -> None:
    with pytest.raises(WebhookVerificationError):
        verify(body, dict(headers), SECRET)


@given(st.binary(max_size=600), st.sampled_from([".csv", ".jsonl"]))
@example(b'{"image": "a", "gender": 0, "filter_id": 1}\n{', ".jsonl")
@example(b"image,gender\n\xff\xfe,1", ".csv")
@example(b"[" * 20_000, ".jsonl")
@example(b'image,gender,filter_id\n"', ".csv")
@settings(max_examples=60)
def test_a_manifest_of_any_bytes_gives_requests_or_sentences(
    tmp_path_factory: pytest.TempPathFactory, data: bytes, suffix: str
) -> None:
    path = tmp_path_factory.mktemp("manifest") / f"any{suffix}"
    path.write_bytes(data)
    refused = ""
    rows: list[Row] = []
    try:
        rows += Manifest(path, name="any", defaults={}).rows()
    except SwaplineError as error:
        refused = str(error)
    assert refused == "" or str(path) in refused
    for row in rows:
        assert row.problem or SwapRequest(**row.values).image == row.values["image"]


@given(any_json)
@example({"status": "COMPLETED", "output": {"images": [{"deep": []}]}})
def test_a_status_reply_of_any_json_is_read_or_refused(value: Any) -> None:
    try:
        found = read(_json(value))
        sizes = [walk(decode(image)) for image in found.images]
    except (ReplyError, PictureError, PngError):
        return
    assert len(sizes) == len(found.images)
    assert isinstance(found.status, str)


def test_a_reply_a_million_brackets_deep_is_refused() -> None:
    for body in (b"[" * 10**6, b'{"a":' * 10**6, b'{"status":' + b"[" * 10**6 + b"]" * 10**6 + b"}"):
        with pytest.raises(ReplyError):
            read(body)


def _json(value: Any) -> bytes:
    try:
        return orjson.dumps(value)
    except TypeError:  # an integer or a text that JSON has no room for
        return repr(value).encode(errors="replace")


RECORD = {
    "state": "QUEUED",
    "version": "1",
    "created_at": "1000",
    "queue_until": "2000",
    "run_timeout_ms": "50",
    "tenant": "acme",
    "priority": "normal",
    "spec": '{"gender":0,"filter_id":12,"image":{"kind":"url","url":"https://pictures.example/me.jpg"}}',
}


@given(st.dictionaries(st.text(min_size=1, max_size=16).map(lambda name: f"new_{name}"), any_text))
def test_a_record_of_another_version_with_fields_we_do_not_know_is_the_same_job(more: dict[str, str]) -> None:
    assert job_of("a", {**more, **RECORD}) == job_of("a", RECORD)


@given(st.dictionaries(st.text(min_size=1, max_size=9).map(lambda name: f"new_{name}"), any_json, max_size=3))
def test_a_request_of_a_later_version_is_read_without_what_we_do_not_know(more: dict[str, Any]) -> None:
    spec = orjson.loads(RECORD["spec"])
    spec["image"] = StoredImage(sha256="0" * 64, media_type="image/png", width=1, height=1, size=1).model_dump()
    later = {**RECORD, "spec": _json({**more, **spec}).decode()}
    try:
        orjson.loads(later["spec"])
    except ValueError:
        return  # no JSON could hold it
    assert job_of("a", later).spec.image.kind == "stored"


@given(any_text)
def test_a_line_of_a_log_that_is_none_is_one_kind_of_error(line: str) -> None:
    try:
        event = JobEvent.model_validate_json(line)
    except ValueError:  # pydantic's own is one
        return
    assert JobEvent.model_validate_json(event.model_dump_json()) == event


@given(any_text, any_text)
def test_a_request_with_any_words_in_it_is_made_or_refused_with_the_field(tenant: str, url: str) -> None:
    try:
        made = SwapRequest(image=Path("me.jpg"), gender=0, filter_id=1, tenant=tenant, webhook_url=url)
    except RequestError:
        return
    assert made.tenant.isascii()


def test_a_job_says_its_tenant() -> None:
    assert job().tenant == "default"
