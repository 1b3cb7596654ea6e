"""Celery as a tutorial would have it: the picture travels in the messages, both ways; states in a result backend."""

from __future__ import annotations

import base64
from typing import Any

import requests
from celery import Celery
from runner import FOLDER, KEY, VENDOR, store

CHECK_INTERVAL_S = 0.25

app = Celery("tutorial", broker=f"redis+socket://{FOLDER}/redis.sock", backend=f"redis+socket://{FOLDER}/redis.sock")
app.conf.broker_connection_retry_on_startup = True


@app.task
def submit(number: int, text: str) -> str:
    """Submit, and go on with poll."""
    order = {"base64": text, "gender": 0, "filter_id": 12}
    reply = requests.post(f"{VENDOR}/v6/run/face_swap", json=order, headers=KEY, timeout=60)
    reply.raise_for_status()
    job: str = reply.json()["id"]
    poll.apply_async((number, job), countdown=CHECK_INTERVAL_S)
    return job


@app.task(bind=True, max_retries=None)
def poll(self: Any, number: int, job: str) -> str:
    """Look; come again until the job is done."""
    status = requests.post(f"{VENDOR}/v6/status/{job}", headers=KEY, timeout=60).json()
    if status["status"] not in {"COMPLETED", "FAILED"}:
        raise self.retry(countdown=CHECK_INTERVAL_S)
    if status["status"] == "COMPLETED":
        finalize.delay(number, status["output"]["images"][0])
    return str(status["status"])


@app.task
def finalize(number: int, text: str) -> None:
    """Store the picture."""
    store(number, base64.b64decode(text))
