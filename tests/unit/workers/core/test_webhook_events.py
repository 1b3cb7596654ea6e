"""What an event says of a job."""

from __future__ import annotations

import pytest

from support.fakes import AT, job
from swapline_producer.contract import State
from swapline_workers.core.webhook_events import swap_event


@pytest.mark.parametrize(("milliseconds", "text"), [(8000, "8"), (8001, "8.001"), (0, "0")])
def test_whole_seconds_are_integers_so_that_javascript_writes_the_same_bytes(milliseconds: int, text: str) -> None:
    found = job(State.SUCCEEDED, submitted_at=AT, terminal_at=AT + milliseconds, finished_at=AT + milliseconds)
    body = swap_event(found, AT, lambda key: f"https://store.example/{key}").model_dump_json()
    assert f'"running":{text},' in body
