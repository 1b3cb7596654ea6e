"""A gateway that is killed has lost nothing that it answered for, and a repetition makes nothing twice."""

from __future__ import annotations

import os
import signal
import threading
from typing import TYPE_CHECKING

import requests

from support.redis.fixtures import waited_for
from support.services.gateways import BODY, BOTH, Gateway, gateway_process
from swapline_producer.contract.access import KeyLimits
from swapline_producer.ledger import JobFilter

if TYPE_CHECKING:
    from pathlib import Path

    from support.programs.installation import Installation


def test_a_killed_gateway_loses_nothing_it_answered_for(installation: Installation, tmp_path: Path) -> None:
    producer = installation.producer()
    key, _ = producer.ledger.api_keys.create("acme", BOTH, limits=KeyLimits(rate=10_000, burst=10_000))
    answered: dict[str, str] = {}
    asked: set[str] = set()

    def send(gateway: Gateway, name: str) -> None:
        asked.add(name)
        found = gateway.post("/v1/swaps", json=BODY | {"metadata": {"n": name}}, headers={"Idempotency-Key": name})
        answered[name] = found.json()["id"]

    for round_ in range(3):
        with gateway_process(tmp_path, installation.environment, killed=True) as (url, pid):

            def ask(thread: int, url: str = url, round_: int = round_) -> None:
                gateway = Gateway(url, producer, key)
                for number in range(100_000):
                    try:
                        send(gateway, f"{round_}-{thread}-{number}")
                    except (requests.ConnectionError, requests.exceptions.ChunkedEncodingError):
                        return

            threads = [threading.Thread(target=ask, args=(thread,)) for thread in range(4)]
            for thread in threads:
                thread.start()
            before = len(answered)
            waited_for(lambda before=before: len(answered) > before + 40)  # type: ignore[misc]  # it takes no argument
            os.kill(pid, signal.SIGKILL)
            for thread in threads:
                thread.join(60)
    assert len({*answered.values()}) == len(answered)
    with gateway_process(tmp_path, installation.environment) as (url, _):
        lost, known = asked - answered.keys(), dict(answered)
        for name in (*known, *lost):
            send(Gateway(url, producer, key), name)
    assert {name: answered[name] for name in known} == known
    jobs = [job for page in producer.ledger.search.pages(JobFilter(tenants=("acme",)), limit=500) for job in page]
    assert sorted(jobs) == sorted(answered.values()), "a repetition made a second job"
