"""A record that a newer release wrote, or that is damaged, is named; others are shown all the same."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
import redis

from swapline_producer import SwapRequest

if TYPE_CHECKING:
    from support.programs.installation import Installation


@pytest.mark.parametrize(
    ("field", "value"), [("state", "ARCHIVED"), ("created_at", "x"), ("version", ""), ("spec", "{"), ("images", "[")]
)
def test_an_unreadable_record_is_named_and_hides_no_other(installation: Installation, field: str, value: str) -> None:
    producer = installation.producer()
    first, second = (
        producer.enqueue(SwapRequest(image="https://example.com/a.jpg", gender=0, filter_id=12)).job_id for _ in "ab"
    )
    record = f"{installation.prefix}:job:{first}"
    client = redis.Redis.from_url(installation.valkey.url)
    if field == "spec":
        client.hdel(record, *(f"spec:{number}" for number in range(1, 10)))
    client.hset(record, field, value)

    listed = installation.cli("jobs", "list", "--json")
    assert [job["job_id"] for job in json.loads(listed.stdout)] == [second]
    shown = installation.cli("jobs", "show", first)
    assert (listed.returncode, shown.returncode) == (0, 1)
    for output in (listed.stderr, shown.stderr):
        assert f"The record of job {first} cannot be read" in output
        assert "Traceback" not in output
