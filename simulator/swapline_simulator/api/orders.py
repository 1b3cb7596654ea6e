"""Parse a submission, and refuse what the vendor's page refuses. `intake.py` checks the picture, which takes time."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, NamedTuple, TypeVar
from uuid import UUID

from swapline_simulator.enums import ApiVersion, FilterId, Gender, QualityMode, Ratio

if TYPE_CHECKING:
    from collections.abc import Mapping
    from enum import Enum

    from swapline_simulator.account.catalog import Catalog

    Chosen = TypeVar("Chosen", bound=Enum)


class Refusal(Exception):  # noqa: N818 -- it names what the vendor does
    """The vendor refuses a call and charges nothing. `code` and `sentence` are in the reply."""

    def __init__(self, status: int, code: str, sentence: str) -> None:
        """Keep the HTTP status and the vendor's code beside the sentence."""
        super().__init__(sentence)
        self.status = status
        self.code = code
        self.sentence = sentence


class Order(NamedTuple):
    """One face swap without its picture."""

    version: ApiVersion
    gender: Gender
    filter_id: FilterId
    ratio: Ratio
    quality_mode: QualityMode


def read_body(raw: bytes) -> dict[str, object]:
    """Parse the JSON of a submission. Raises Refusal (400 INVALID_REQUEST)."""
    try:
        body = json.loads(raw)
    except (ValueError, RecursionError):
        body = None
    if not isinstance(body, dict):
        raise Refusal(400, "INVALID_REQUEST", "The body must be a JSON object.")
    return body


def read_order(version: ApiVersion, body: Mapping[str, object], catalog: Catalog) -> Order:
    """Parse all but the picture. Unknown fields are ignored: v5 has some.

    Raises Refusal: 422 with one of the page's codes, else INVALID_REQUEST.
    """
    gender = _gender(body)
    ratio = _one_of(Ratio, body, "ratio", Ratio.PORTRAIT, "INVALID_REQUEST")
    quality = _one_of(QualityMode, body, "quality_mode", QualityMode.V6_1, "INVALID_QUALITY_MODE")
    filter_id = _filter(body, catalog)
    if not catalog.allows(filter_id, group=gender is Gender.GROUP):
        mode = "group" if gender is Gender.GROUP else "single"
        raise Refusal(422, "FILTER_BLOCKED", f"Filter {filter_id} is not available in {mode} mode.")
    return Order(version, gender, filter_id, ratio, quality)


def read_picture(body: Mapping[str, object]) -> str:
    """Return the picture as it was sent: base64, or a URL. Raises Refusal (400 INVALID_IMAGE)."""
    picture = body.get("base64")
    if not isinstance(picture, str) or not picture.strip():
        raise Refusal(400, "INVALID_IMAGE", "base64 is empty; send a picture in base64 or a public URL.")
    return picture


def _gender(body: Mapping[str, object]) -> Gender:
    value = body.get("gender")
    if isinstance(value, bool) or not isinstance(value, int) or value not in list(Gender):
        raise Refusal(422, "INVALID_REQUEST", "gender is required: a whole number from 0 to 4.")
    return Gender(value)


def _filter(body: Mapping[str, object], catalog: Catalog) -> FilterId:
    value = body.get("filter_id")
    if isinstance(value, int) and not isinstance(value, bool):
        if value not in catalog.filters:
            raise Refusal(422, "FILTER_NOT_FOUND", f"There is no filter {value}.")
        return value
    if not isinstance(value, str):
        raise Refusal(422, "INVALID_REQUEST", "filter_id is required: a whole number or a UUID.")
    workflow = _uuid(value)
    if workflow is None or not catalog.loads(workflow):
        raise Refusal(422, "WORKFLOW_FETCH_FAILED", f"The workflow of filter {value[:64]} could not be loaded.")
    return workflow


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None


def _one_of(choices: type[Chosen], body: Mapping[str, object], name: str, default: Chosen, code: str) -> Chosen:
    value = body.get(name)
    if value is None:
        return default
    for choice in choices:
        if choice.value == value:
            return choice
    spelled = ", ".join(f'"{choice.value}"' for choice in choices)
    raise Refusal(422, code, f"{name} must be one of {spelled}.")
