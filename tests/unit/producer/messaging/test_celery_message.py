"""A message that we write out is the message that Celery would have sent."""

from __future__ import annotations

import base64
from typing import Any

import orjson
import pytest
from celery import Celery
from hypothesis import given
from hypothesis import strategies as st

from swapline_producer.contract import Step, StepMessage
from swapline_producer.messaging.celery_message import decode_message, encode_message
from swapline_workers.dispatch.broker import queues

QUEUE = "swapline.poll"
VARYING = ("delivery_tag", "origin", "reply_to")
"""Who sent it, and a name for the sending: strings, different each time."""


def by_celery(message: StepMessage) -> dict[str, Any]:
    """What `send_task` puts into the broker's list."""
    app = Celery("any", broker="memory://", set_as_current=False)
    app.conf.update(task_queues=queues("swapline"), task_default_exchange="", task_ignore_result=True)
    with app.connection_for_write() as connection:
        channel: Any = connection.channel()
        channel.queue_declare(QUEUE)
        with app.amqp.Producer(channel) as producer:
            app.send_task(
                message.step.task,
                args=(message.job_id, message.version),
                argsrepr=message.job_id,
                kwargsrepr="{}",
                task_id=message.step.task_id(message.job_id),
                queue=QUEUE,
                retries=message.retries,
                ignore_result=True,
                producer=producer,
            )
        found: dict[str, Any] = channel._get(QUEUE)
        for name in ("argsrepr", "kwargsrepr"):  # Celery writes the same into both places
            del found["properties"][name]
    return found


def without_varying(sent: dict[str, Any]) -> dict[str, Any]:
    sent["body"] = orjson.loads(base64.b64decode(sent["body"]))
    for part in (sent["headers"], sent["properties"]):
        for name in VARYING:
            if name in part:
                assert isinstance(part.pop(name), str)
    return sent


@pytest.mark.parametrize("retries", [0, 3])
def test_it_is_what_celery_would_have_sent(retries: int) -> None:
    message = StepMessage(step=Step.POLL, job_id="0" * 32, version=5, retries=retries)
    ours = orjson.loads(encode_message(message, QUEUE))
    assert without_varying(ours) == without_varying(orjson.loads(orjson.dumps(by_celery(message))))


def test_no_two_have_the_same_tag() -> None:
    message = StepMessage(step=Step.POLL, job_id="a", version=5)
    tags = {orjson.loads(encode_message(message, QUEUE))["properties"]["delivery_tag"] for _ in range(100)}
    assert len(tags) == 100


@pytest.mark.parametrize("step", Step)
def test_what_was_written_is_read_again(step: Step) -> None:
    message = StepMessage(step=step, job_id="0" * 32, version=5, retries=2)
    assert decode_message(orjson.loads(encode_message(message, QUEUE))) == message


def test_what_celery_sends_is_read_as_well() -> None:
    message = StepMessage(step=Step.POLL, job_id="0" * 32, version=5, retries=3)
    assert decode_message(orjson.loads(orjson.dumps(by_celery(message)))) == message


def changed(part: str, **values: Any) -> dict[str, Any]:
    found: dict[str, Any] = orjson.loads(encode_message(StepMessage(step=Step.POLL, job_id="j", version=5), QUEUE))
    if part == "body":
        found["body"] = base64.b64encode(orjson.dumps(values["body"])).decode()
    else:
        (found[part] if part else found).update(values)
    return found


nested = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: (
        st.lists(inner) | st.dictionaries(st.sampled_from(["headers", "properties", "body", "task", "id"]), inner)
    ),
)
NOTHING_FOLLOWS = {"callbacks": None, "errbacks": None, "chain": None, "chord": None}


@pytest.mark.parametrize(
    "raw",
    [
        changed("headers", task="swapline.else"),
        changed("headers", task=["swapline.poll"]),
        changed("headers", id="another"),
        changed("headers", eta="2026-01-01T00:00:00"),
        changed("headers", expires="2026-01-01T00:00:00"),
        changed("headers", timelimit=[1, None]),
        changed("headers", shadow="renamed"),
        changed("headers", retries="3"),
        changed("headers", retries=True),
        changed("properties", body_encoding="utf-8"),
        changed("", **{"content-type": "application/x-python-serialize"}),
        changed("", body="no base64"),
        changed("", headers=[]),
        changed("body", body=[["j", 5], {"more": 1}, NOTHING_FOLLOWS]),
        changed("body", body=[["j", 5], {}, {**NOTHING_FOLLOWS, "callbacks": [{"task": "else"}]}]),
        changed("body", body=[["j", "5"], {}, NOTHING_FOLLOWS]),
        changed("body", body=[["j", True], {}, NOTHING_FOLLOWS]),
        changed("body", body=[["j", 5, 6], {}, NOTHING_FOLLOWS]),
        changed("body", body=[[7, 5], {}, NOTHING_FOLLOWS]),
        changed("body", body=None),
        [],
        None,
        "text",
    ],
)
def test_whatever_else_lies_on_a_queue_is_left_to_celery(raw: Any) -> None:
    assert decode_message(raw) is None


@given(nested)
def test_no_message_is_too_strange_to_be_left_to_celery(raw: Any) -> None:
    assert decode_message(raw) is None
