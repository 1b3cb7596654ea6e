from __future__ import annotations

from json import dumps
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from support.jobs.fakes import job, spec
from swapline_producer.contract import (
    ApiVersion,
    FailureCode,
    Gender,
    Job,
    JobSpec,
    QualityMode,
    Ratio,
    Step,
    SwapRequest,
)
from swapline_producer.errors import RequestError

UUID_FILTER = UUID("6f0c1b1e-8f1e-4c3e-9f5e-0123456789ab")


def request(**values: Any) -> SwapRequest:
    return SwapRequest(**{"image": b"picture", "gender": 0, "filter_id": 12} | values)


@pytest.mark.parametrize("gender", list(Gender))
@pytest.mark.parametrize("ratio", [None, *Ratio])
@pytest.mark.parametrize("version", list(ApiVersion))
def test_everything_on_the_vendors_page_can_be_asked_for(
    gender: Gender,
    ratio: Ratio | None,
    version: ApiVersion,
) -> None:
    asked = request(gender=gender, ratio=ratio, api_version=version, quality_mode=QualityMode.V6)
    assert (asked.gender, asked.ratio, asked.api_version, asked.filter_id) == (gender, ratio, version, 12)


@pytest.mark.parametrize("gender", list(Gender))
def test_a_gender_may_be_given_as_a_word_or_a_digit_and_stays_a_number_in_the_ledger(gender: Gender) -> None:
    for word in (gender.name.lower(), gender.name, f" {gender.value} "):
        asked = request(gender=word)
        assert asked.gender is gender
        assert SwapRequest.model_validate_json(dumps({"image": "x", "gender": word, "filter_id": 12})).gender is gender
        assert asked.model_dump(mode="json")["gender"] == gender.value


@pytest.mark.parametrize("value", ["woman", "", "5", None, [], 0.5])
def test_what_is_no_gender_is_refused_with_the_words_that_are(value: object) -> None:
    with pytest.raises(RequestError, match=r"^gender: it must be 0 to 4, or male, female, boy, girl or group$"):
        request(gender=value)


def test_a_uuid_filter_may_be_given_as_text() -> None:
    assert request(filter_id=str(UUID_FILTER)).filter_id == UUID_FILTER


@pytest.mark.parametrize(
    ("values", "field", "code"),
    [
        ({"filter_id": UUID_FILTER, "gender": 4}, "filter_id", FailureCode.FILTER_BLOCKED),
        ({"filter_id": UUID_FILTER, "quality_mode": "v6.1"}, "quality_mode", FailureCode.INVALID_QUALITY_MODE),
        ({"quality_mode": "v7"}, "quality_mode", FailureCode.INVALID_QUALITY_MODE),
        ({"filter_id": -1}, "filter_id", FailureCode.FILTER_NOT_FOUND),
        ({"filter_id": "twelve"}, "filter_id", FailureCode.FILTER_NOT_FOUND),
        ({"filter_id": 1.5}, "filter_id", FailureCode.FILTER_NOT_FOUND),
        ({"gender": 5}, "gender", None),
        ({"ratio": "round"}, "ratio", None),
        ({"extra": {"seed": 1}}, "extra", None),
        ({"extra": {"base64": "x"}, "api_version": "v5"}, "extra", None),
        ({"image": 7}, "image", FailureCode.INVALID_IMAGE),
        ({"metadata": {"k": "v" * 8192}}, "metadata", None),
        ({"webhook_url": "ftp://example.com"}, "webhook_url", None),
        ({"webhook_url": "https://me:pw@example.com"}, "webhook_url", None),
        ({"tenant": "a b"}, "tenant", None),
        ({"queue_ttl": 0}, "queue_ttl", None),
        ({"colour": "red"}, "colour", None),
    ],
)
def test_what_would_be_refused_later_is_refused_now_by_field_and_code(
    values: dict[str, Any],
    field: str,
    code: FailureCode | None,
) -> None:
    with pytest.raises(RequestError) as caught:
        request(**values)
    assert (caught.value.field, caught.value.code) == (field, code)
    assert str(caught.value).startswith(f"{field}:")


def test_a_text_stays_a_text_by_whatever_way_a_request_is_made() -> None:
    values = {"image": "/etc/passwd", "gender": 0, "filter_id": 12}
    made = [SwapRequest(**values), SwapRequest.model_validate(values), SwapRequest.model_validate_json(dumps(values))]
    made += [
        made[0].model_copy(),
        SwapRequest.model_validate_json(request(image=Path("/etc/passwd")).model_dump_json()),
    ]
    assert [one.image for one in made] == ["/etc/passwd"] * 5
    assert request(image=Path("me.jpg")).image == Path("me.jpg")
    assert request(image=bytearray(b"picture")).image == b"picture"


def test_v5_takes_free_extra_fields() -> None:
    assert request(api_version="v5", extra={"seed": 7, "styles": ["a"]}).extra == {"seed": 7, "styles": ["a"]}


def test_a_spec_survives_its_way_through_the_ledger() -> None:
    kept = spec(filter_id=UUID_FILTER, metadata={"order": "7"}, webhook_url="https://example.com/hook")
    assert JobSpec.model_validate_json(kept.model_dump_json(exclude_none=True)) == kept


def test_records_of_a_later_version_are_still_read() -> None:
    later = spec().model_dump(mode="json") | {"sparkle": True}
    assert JobSpec.model_validate(later) == spec()


def test_a_job_cannot_be_changed_in_place() -> None:
    with pytest.raises(ValueError, match="frozen"):
        job().version = 8  # type: ignore[misc]


def test_the_names_that_outside_scripts_rely_on() -> None:
    assert [step.task for step in Step] == ["swapline.submit", "swapline.poll", "swapline.finalize", "swapline.notify"]
    assert [step.queue("swapline") for step in Step] == [step.task for step in Step]
    assert Step.POLL.task_id("abc") == "abc-poll"
    assert Job.model_fields["state"].annotation is not None
