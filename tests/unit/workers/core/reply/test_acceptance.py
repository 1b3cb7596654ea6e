"""The reply to a submission: an id that can be asked for, or none."""

from __future__ import annotations

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from swapline_producer.contract import FailureCode
from swapline_producer.contract.values import VENDOR_ID_LIMIT
from swapline_workers.core.reply.acceptance import Acceptance, accepted
from swapline_workers.core.reply.status_reply import STATUS_LIMIT, ReplyError

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
    assert len(status) <= STATUS_LIMIT
    assert status.isprintable()


def _accepted_or_none(data: dict[str, object]) -> Acceptance | None:
    try:
        return accepted(orjson.dumps(data))
    except (ReplyError, orjson.JSONEncodeError):  # the second: lone surrogates and integers beyond 64 bits
        return None


@given(st.from_regex(r"[A-Za-z0-9_-]{1,256}", fullmatch=True) | st.integers(-(2**63), 2**64 - 1))
def test_ordinary_ids_are_accepted_as_they_are(value: str | int) -> None:
    assert accepted(orjson.dumps({"id": value})).vendor_job_id == str(value)


@pytest.mark.parametrize("value", ["x" * 257, "..", "a\nb", " ", "\0"])
def test_an_id_that_cannot_be_used_has_a_code_of_its_own(value: str) -> None:
    with pytest.raises(ReplyError) as refused:
        accepted(orjson.dumps({"id": value}))
    assert refused.value.code is FailureCode.VENDOR_ID_INVALID


@pytest.mark.parametrize("data", [{}, {"id": None}, {"id": ""}, {"id": True}, {"id": ["x"]}])
def test_a_reply_without_an_id_has_none(data: dict[str, object]) -> None:
    with pytest.raises(ReplyError) as refused:
        accepted(orjson.dumps(data))
    assert refused.value.code is None


@pytest.mark.parametrize("status", ["A" * 65, "a\nb", 5, None, ["x"]])
def test_a_status_that_cannot_be_kept_is_left_out_and_the_id_counts(status: object) -> None:
    assert accepted(orjson.dumps({"id": "x", "status": status})) == ("x", "")
