"""Dramatiq as its documentation would have it: actors that send each other messages, the picture in them."""

from __future__ import annotations

import base64

import dramatiq
import redis
import requests
from dramatiq.brokers.redis import RedisBroker
from runner import FOLDER, KEY, VENDOR, store

CHECK_INTERVAL_S = 250
"""Milliseconds."""

dramatiq.set_broker(RedisBroker(client=redis.Redis(unix_socket_path=str(FOLDER / "redis.sock"))))


@dramatiq.actor
def submit(number: int, text: str) -> None:
    """Submit, and go on with poll."""
    order = {"base64": text, "gender": 0, "filter_id": 12}
    reply = requests.post(f"{VENDOR}/v6/run/face_swap", json=order, headers=KEY, timeout=60)
    reply.raise_for_status()
    poll.send_with_options(args=(number, reply.json()["id"]), delay=CHECK_INTERVAL_S)


@dramatiq.actor
def poll(number: int, job: str) -> None:
    """Look; come again until the job is done."""
    status = requests.post(f"{VENDOR}/v6/status/{job}", headers=KEY, timeout=60).json()
    if status["status"] == "COMPLETED":
        finalize.send(number, status["output"]["images"][0])
    elif status["status"] != "FAILED":
        poll.send_with_options(args=(number, job), delay=CHECK_INTERVAL_S)


@dramatiq.actor
def finalize(number: int, text: str) -> None:
    """Store the picture."""
    store(number, base64.b64decode(text))
