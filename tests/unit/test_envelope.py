"""A message that we write out is the message that Celery would have sent."""

from __future__ import annotations

import base64
from typing import Any

import orjson
import pytest
from celery import Celery

from swapline_producer.broker import queues
from swapline_producer.contract import Step, Ticket
from swapline_producer.envelope import message

QUEUE = "swapline.poll"
OF_THE_MOMENT = ("delivery_tag", "origin", "reply_to")
"""Who sent it, and a name for the sending: strings, different each time."""


def by_celery(ticket: Ticket) -> dict[str, Any]:
    """What `send_task` puts into the broker's list."""
    app = Celery("any", broker="memory://", set_as_current=False)
    app.conf.update(task_queues=queues("swapline"), task_default_exchange="", task_ignore_result=True)
    with app.connection_for_write() as connection:
        channel: Any = connection.channel()
        channel.queue_declare(QUEUE)
        with app.amqp.Producer(channel) as producer:
            app.send_task(
                ticket.step.task,
                args=(ticket.job_id, ticket.turn),
                argsrepr=ticket.job_id,
                kwargsrepr="{}",
                task_id=ticket.step.task_id(ticket.job_id),
                queue=QUEUE,
                retries=ticket.retries,
                ignore_result=True,
                producer=producer,
            )
        found: dict[str, Any] = channel._get(QUEUE)
        for name in ("argsrepr", "kwargsrepr"):  # Celery writes what it was told into both places
            del found["properties"][name]
    return found


def without_the_moment(sent: dict[str, Any]) -> dict[str, Any]:
    sent["body"] = orjson.loads(base64.b64decode(sent["body"]))
    for part in (sent["headers"], sent["properties"]):
        for name in OF_THE_MOMENT:
            if name in part:
                assert isinstance(part.pop(name), str)
    return sent


@pytest.mark.parametrize("retries", [0, 3])
def test_it_is_what_celery_would_have_sent(retries: int) -> None:
    ticket = Ticket(step=Step.POLL, job_id="0" * 32, turn=5, retries=retries)
    ours = orjson.loads(message(ticket, QUEUE))
    assert without_the_moment(ours) == without_the_moment(orjson.loads(orjson.dumps(by_celery(ticket))))


def test_no_two_have_the_same_tag() -> None:
    ticket = Ticket(step=Step.POLL, job_id="a", turn=5)
    tags = {orjson.loads(message(ticket, QUEUE))["properties"]["delivery_tag"] for _ in range(100)}
    assert len(tags) == 100
