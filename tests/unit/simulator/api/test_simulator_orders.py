from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest

from swapline_simulator.account.catalog import Catalog
from swapline_simulator.api.orders import Order, Refusal, read_body, read_order, read_picture
from swapline_simulator.enums import ApiVersion, Gender, QualityMode, Ratio

WORKFLOW = "3f2a9c1e-0000-4000-8000-000000000006"
UNLOADABLE = "00000000-0000-4000-8000-000000000006"


def order(version: ApiVersion = ApiVersion.V6, **fields: Any) -> Order:
    return read_order(version, {"gender": 0, "filter_id": 12} | fields, Catalog())


def refusal(**fields: Any) -> tuple[int, str]:
    with pytest.raises(Refusal) as caught:
        order(**fields)
    return caught.value.status, caught.value.code


def test_what_is_left_out_takes_the_defaults_of_the_page() -> None:
    assert order() == Order(ApiVersion.V6, Gender.MALE, 12, Ratio.PORTRAIT, QualityMode.V6_1)


@pytest.mark.parametrize("gender", list(Gender))
@pytest.mark.parametrize("ratio", list(Ratio))
def test_every_gender_and_ratio_of_the_page_is_accepted(gender: Gender, ratio: Ratio) -> None:
    assert order(gender=gender.value, ratio=ratio.value)[1:4:2] == (gender, ratio)


def test_a_uuid_filter_is_accepted() -> None:
    assert order(filter_id=WORKFLOW).filter_id == UUID(WORKFLOW)


def test_fields_that_the_page_does_not_name_are_left_alone() -> None:
    assert order(ApiVersion.V5, face_restore=True, strength=0.7).version is ApiVersion.V5


@pytest.mark.parametrize(
    ("fields", "answer"),
    [
        ({"gender": 4, "filter_id": WORKFLOW}, (422, "FILTER_BLOCKED")),
        ({"gender": 4, "filter_id": 200}, (422, "FILTER_BLOCKED")),
        ({"gender": 0, "filter_id": 399}, (422, "FILTER_BLOCKED")),
        ({"filter_id": 400}, (422, "FILTER_NOT_FOUND")),
        ({"filter_id": -1}, (422, "FILTER_NOT_FOUND")),
        ({"filter_id": UNLOADABLE}, (422, "WORKFLOW_FETCH_FAILED")),
        ({"filter_id": "twelve"}, (422, "WORKFLOW_FETCH_FAILED")),
        ({"quality_mode": "v7"}, (422, "INVALID_QUALITY_MODE")),
        ({"quality_mode": 6}, (422, "INVALID_QUALITY_MODE")),
        ({"gender": 5}, (422, "INVALID_REQUEST")),
        ({"gender": None}, (422, "INVALID_REQUEST")),
        ({"gender": True}, (422, "INVALID_REQUEST")),
        ({"gender": "1"}, (422, "INVALID_REQUEST")),
        ({"filter_id": None}, (422, "INVALID_REQUEST")),
        ({"filter_id": True}, (422, "INVALID_REQUEST")),
        ({"filter_id": 12.0}, (422, "INVALID_REQUEST")),
        ({"ratio": "wide"}, (422, "INVALID_REQUEST")),
    ],
)
def test_what_the_page_does_not_allow_is_refused_under_its_code(
    fields: dict[str, Any], answer: tuple[int, str]
) -> None:
    assert refusal(**fields) == answer


def test_a_filter_may_be_for_groups_only() -> None:
    assert order(gender=4, filter_id=399).gender is Gender.GROUP


def test_a_catalog_with_named_workflows_loads_no_other() -> None:
    catalog = Catalog(workflows=frozenset({UUID(UNLOADABLE)}))
    assert (catalog.loads(UUID(UNLOADABLE)), catalog.loads(UUID(WORKFLOW))) == (True, False)


@pytest.mark.parametrize("raw", [b"", b"null", b"[]", b"{", b"\xff", b"[" * 100_000])
def test_a_body_that_is_no_object_is_refused(raw: bytes) -> None:
    with pytest.raises(Refusal) as caught:
        read_body(raw)
    assert (caught.value.status, caught.value.code) == (400, "INVALID_REQUEST")


@pytest.mark.parametrize("body", [{}, {"base64": None}, {"base64": ""}, {"base64": "  "}, {"base64": 7}])
def test_a_missing_picture_is_an_invalid_image(body: dict[str, object]) -> None:
    with pytest.raises(Refusal) as caught:
        read_picture(body)
    assert (caught.value.status, caught.value.code) == (400, "INVALID_IMAGE")
