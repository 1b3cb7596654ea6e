"""The reply to a submission: an id that can be asked for, or none."""

from __future__ import annotations

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from swapline_producer.contract.values import VENDOR_ID_LIMIT
from swapline_workers.core.reply.acceptance import Acceptance, accepted
from swapline_workers.core.reply.status_reply import ReplyError

WHOLE = orjson.dumps({"id": "job-abc-123", "status": "IN_QUEUE"})


def test_the_pages_example_is_accepted() -> None:
    assert accepted(WHOLE) == Acceptance(vendor_job_id="job-abc-123", status="IN_QUEUE")


@pytest.mark.parametrize("cut", range(len(WHOLE)))
def test_no_beginning_of_a_reply_is_a_reply(cut: int) -> None:
    with pytest.raises(ReplyError):
        accepted(WHOLE[:cut])


@given(st.dictionaries(st.sampled_from(["id", "status", "x"]), st.none() | st.booleans() | st.integers() | st.text()))
def test_an_id_is_short_and_printable_or_refused(data: dict[str, object]) -> None:
    job_id, status = _accepted_or_none(data) or ("an id", "")
    assert 0 < len(job_id) <= VENDOR_ID_LIMIT
    assert job_id.isprintable()
    assert status in {data.get("status"), ""}


def _accepted_or_none(data: dict[str, object]) -> Acceptance | None:
    try:
        return accepted(orjson.dumps(data))
    except (ReplyError, orjson.JSONEncodeError):  # the second: lone surrogates and integers beyond 64 bits
        return None


@given(st.from_regex(r"[A-Za-z0-9_-]{1,256}", fullmatch=True) | st.integers(-(2**63), 2**64 - 1))
def test_ordinary_ids_are_accepted_as_they_are(value: str | int) -> None:
    assert accepted(orjson.dumps({"id": value})).vendor_job_id == str(value)
