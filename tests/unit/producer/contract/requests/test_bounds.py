"""Every value of a request is bounded by its model: what passes can be written, and a bad row stops no other."""

from __future__ import annotations

import json
import math
from collections import UserDict
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from swapline_producer import SwapRequest
from swapline_producer.client.batches.manifest import Manifest, check
from swapline_producer.contract.values import EXTRA_LIMIT, LARGEST_FILTER_ID, METADATA_LIMIT, TEN_YEARS, URL_LIMIT
from swapline_producer.errors import RequestError
from swapline_producer.testing import FakeProducer
from swapline_workers.adapters.vendor import request_body

if TYPE_CHECKING:
    from pathlib import Path

URL = "https://pictures.example/me.jpg"
HALF = "\ud800"
"""Half of a surrogate pair: JSON can spell it, UTF-8 cannot."""


def fields(**values: Any) -> dict[str, Any]:
    return {"image": URL, "gender": 0, "filter_id": 12} | values


def v5(value: Any) -> dict[str, Any]:
    return {"api_version": "v5", "extra": {"a": value}}


def nested(levels: int) -> Any:
    value: Any = 1
    for _ in range(levels):
        value = [value]
    return value


LARGEST: list[dict[str, Any]] = [
    {"filter_id": LARGEST_FILTER_ID},
    {"queue_ttl": TEN_YEARS, "run_timeout": 1e-9},
    {"batch": "é" * 128, "idempotency_key": "😀" * 255, "tenant": "t" * 64},
    {"metadata": {"é": "é" * ((METADATA_LIMIT - 9) // 2)}},
    {"metadata": {"note": "two\nlines\0"}},
    {"image": URL + "x" * (URL_LIMIT - len(URL))},
    v5("x" * (EXTRA_LIMIT - 8)),
    v5(2**64 - 1),
    v5(-(2**63)),
    v5(1.7976931348623157e308),
    v5(nested(150)),
]
TOO_MUCH: list[tuple[str, dict[str, Any]]] = [
    ("filter_id", {"filter_id": 2**64}),
    ("filter_id", {"filter_id": LARGEST_FILTER_ID + 1}),
    ("filter_id", {"filter_id": -1}),
    ("filter_id", {"filter_id": True}),
    ("gender", {"gender": True}),
    ("queue_ttl", {"queue_ttl": True}),
    ("run_timeout", {"run_timeout": True}),
    ("filter_id", {"filter_id": True}),
    ("gender", {"gender": 2**70}),
    ("gender", {"gender": math.nan}),
    *[
        (name, {name: wrong})
        for name in ("queue_ttl", "run_timeout")
        for wrong in (math.inf, -math.inf, math.nan, 1e300, 0)
    ],
    *[(name, {name: HALF}) for name in ("tenant", "batch", "idempotency_key", "priority", "ratio", "quality_mode")],
    *[
        (name, {name: wrong})
        for name in ("batch", "idempotency_key")
        for wrong in ("", "a\nb", "\x1b[2J", "\0", "\u2028")
    ],
    ("batch", {"batch": "x" * 129}),
    ("idempotency_key", {"idempotency_key": "x" * 256}),
    ("tenant", {"tenant": "a\n"}),
    ("metadata", {"metadata": {"a": HALF}}),
    ("metadata", {"metadata": {HALF: "a"}}),
    ("metadata", {"metadata": {"é": "é" * METADATA_LIMIT}}),
    ("metadata", {"metadata": {str(number): "" for number in range(METADATA_LIMIT)}}),
    ("extra", v5(2**64)),
    ("extra", v5(math.nan)),
    ("extra", v5([math.inf])),
    ("extra", v5({HALF: 1})),
    ("extra", v5(nested(10_000))),
    ("extra", v5("x" * EXTRA_LIMIT)),
    ("webhook_url", {"webhook_url": f"https://a.example/{HALF}"}),
    ("webhook_url", {"webhook_url": "https://a.example/" + "x" * URL_LIMIT}),
    ("image", {"image": "https://a.example/" + "x" * URL_LIMIT}),
    ("image", {"image": f"https://a.example/{HALF}"}),
    ("image", {"image": HALF}),
    ("traceparent", {"traceparent": HALF}),
    ("request", {HALF: 1}),
    ("'\\x1b[2J'", {"\x1b[2J": 1}),
]


@pytest.mark.parametrize("values", LARGEST)
def test_what_a_request_takes_can_be_written_and_sent(values: dict[str, Any]) -> None:
    producer = FakeProducer()
    [result] = producer.enqueue_many([fields(**values)])
    assert result.error is None
    sent = json.loads(request_body(producer.get(str(result.job_id)).spec, "picture"))
    wanted = {"filter_id": values.get("filter_id", 12), **values.get("extra", {})}
    assert wanted.items() <= sent.items()


@pytest.mark.parametrize(("field", "values"), TOO_MUCH)
def test_what_could_not_be_written_is_refused_by_the_field(field: str, values: dict[str, Any]) -> None:
    producer = FakeProducer()
    with pytest.raises(RequestError) as caught:
        producer.enqueue(SwapRequest(**fields(**values)))
    assert caught.value.field == field
    sentence = str(caught.value)
    assert len(sentence) < 400
    assert sentence.isprintable()


def test_a_thousand_wrong_fields_are_one_sentence() -> None:
    with pytest.raises(RequestError) as caught:
        SwapRequest(**fields(**{f"x{number}" * 99: number for number in range(1000)}))
    assert len(str(caught.value)) < 600


class Unreadable(UserDict[str, Any]):
    """Fields that cannot be read."""

    def __getitem__(self, name: str) -> Any:
        raise ZeroDivisionError(name)


def test_a_bad_item_stops_no_other_whatever_is_wrong_with_it() -> None:
    bad: list[Any] = [fields(**values) for _, values in TOO_MUCH]
    bad += [{1: 2}, [], None, 7, Unreadable(fields()), SwapRequest.model_construct(**fields(filter_id=2**64))]
    items = [one for wrong in bad for one in (wrong, fields())]
    results = list(FakeProducer().enqueue_many(items))
    assert [result.error is None for result in results] == [False, True] * len(bad)
    assert all(isinstance(result.error, RequestError) for result in results if result.error)


any_text = st.text(st.characters(codec=None), max_size=20)
any_value = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | any_text,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(any_text, inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.sampled_from(sorted(SwapRequest.model_fields)) | any_text, any_value, max_size=4))
@example({"filter_id": 2**64, "queue_ttl": math.inf})
@example({"tenant": ["a"]})
@example({"tenant": {"a": 1}})
@example({"image": {"a": HALF}})
@example({"gender": "9" * 5000})
@example({"filter_id": "9" * 5000})
@settings(max_examples=150)
def test_a_dry_run_finds_what_a_run_would(tmp_path_factory: pytest.TempPathFactory, values: dict[str, Any]) -> None:
    path = tmp_path_factory.mktemp("manifest") / "any.jsonl"
    path.write_text(json.dumps(fields(**{name: value for name, value in values.items() if name != "batch"})))
    [row] = Manifest(path, "any", {}).rows()
    problem = check(row)
    if row.problem is None:
        [result] = FakeProducer().enqueue_many([row.values])
        assert (problem is None) == (result.error is None), (problem, result.error)


def test_the_issues_row_is_one_rows_error(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    rows = [fields(filter_id=number) for number in range(1500)]
    rows[700] |= {"filter_id": 2**64}
    rows[800] |= {"queue_ttl": math.inf}
    rows[900] |= {"note": HALF}
    path.write_text("\n".join(json.dumps(row) for row in rows))
    found = list(Manifest(path, "rows", {}).rows())
    wrong = [row.line for row in found if check(row)]
    assert wrong == [701, 801, 901]
    results = FakeProducer().enqueue_many(row.values for row in found)
    assert [result.index + 1 for result in results if result.error] == wrong
