"""What an event says of a job, in a body that fits whatever the job has."""

from __future__ import annotations

import pytest

from support.jobs.fakes import AT, job
from swapline_producer.contract import State, StoredPicture, SwapEvent
from swapline_producer.contract.events import read_event
from swapline_workers.core.webhook_events import BODY_LIMIT, swap_event

SIGNATURE = "X-Amz-Signature=" + "0" * 600
"""As long as the query of a signed URL is."""


def event(number: int, metadata: int = 0) -> SwapEvent:
    folder = f"results/{'t' * 64}/2026/01/02/{'0' * 32}"
    pictures = tuple(
        StoredPicture(key=f"{folder}/{n}.png", sha256="0" * 64, bytes=5, width=1, height=1) for n in range(number)
    )
    ended = job(State.SUCCEEDED, images=pictures)
    spec = ended.spec.model_copy(update={"metadata": {"k": "v" * metadata}})
    return swap_event(ended.model_copy(update={"spec": spec}), AT, lambda key: f"https://s3.example/{key}?{SIGNATURE}")


@pytest.mark.parametrize("metadata", [0, 8000])
@pytest.mark.parametrize("number", [0, 1, 5, 16, 100])
def test_it_names_as_many_pictures_as_it_can_carry_and_counts_the_others(number: int, metadata: int) -> None:
    built = event(number, metadata)
    assert len(built.to_json()) <= BODY_LIMIT
    assert len(built.data.images) + built.data.images_omitted == number
    assert all(image.key.endswith(f"/{n}.png") for n, image in enumerate(built.data.images))
    assert built.data.images or number == 0


def test_where_all_are_named_nothing_is_reported_of_others() -> None:
    assert b"images_omitted" not in event(5).to_json()
    assert b'"images_omitted":' in event(100).to_json()
    assert read_event(event(100).to_json()) == event(100)


@pytest.mark.parametrize(("milliseconds", "text"), [(8000, "8"), (8001, "8.001"), (0, "0")])
def test_whole_seconds_are_integers_so_that_javascript_writes_the_same_bytes(milliseconds: int, text: str) -> None:
    found = job(State.SUCCEEDED, submitted_at=AT, terminal_at=AT + milliseconds, finished_at=AT + milliseconds)
    body = swap_event(found, AT, lambda key: f"https://store.example/{key}").to_json()
    assert f'"running":{text},'.encode() in body
