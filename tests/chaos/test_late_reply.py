"""The reply to a paid call that comes late is believed: nothing is held that can be known."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

from chaos.plan import SUBMISSION
from chaos.proxy import Fault
from chaos.scenes import an_actor, events, judged, one_job
from support.redis.fixtures import waited_for

if TYPE_CHECKING:
    from pathlib import Path

    from chaos.environment import Stage


LONG_AWAY = "Trying again in 2.00 seconds"
"""What a worker says when Redis has been away for two and a half seconds: longer than twice the rescue."""


def received(stage: Stage, words: str) -> bool:
    """Whether each worker has said so."""
    return all(words in actor.child.log.read_text() for actor in stage.actors)


def test_a_worker_that_was_stopped_in_a_paid_call_brings_the_vendors_id_after_all(tmp_path: Path) -> None:
    with one_job(tmp_path) as stage:
        call = stage.link("vendor").order(Fault.HOLD, SUBMISSION, times=1)
        first = an_actor(stage, 0)
        assert call.replied.wait(30)
        first.signal(signal.SIGSTOP)
        an_actor(stage, 1)
        waited_for(lambda: "held" in events(stage))
        stage.link("vendor").lift(call)
        first.signal(signal.SIGCONT)
        waited_for(lambda: "submitted" in events(stage))
        verdict = judged(stage)
    assert verdict.clean, verdict.wrong
    assert (verdict.counts["HELD"], verdict.counts["held for a while, then found"]) == (0, 1)


def test_a_paid_call_that_was_answered_while_redis_was_away_is_not_even_held(tmp_path: Path) -> None:
    with one_job(tmp_path) as stage:
        call = stage.link("vendor").order(Fault.HOLD, SUBMISSION, times=1)
        an_actor(stage, 0)
        an_actor(stage, 1)
        assert call.replied.wait(30)
        waited_for(lambda: received(stage, " ready."))  # one that starts without Redis says something else
        stage.valkey.kill()
        stage.link("vendor").lift(call)
        waited_for(lambda: received(stage, LONG_AWAY))
        stage.valkey.start()
        waited_for(lambda: "submitted" in events(stage))
        assert "held" not in events(stage)
        verdict = judged(stage)
    assert verdict.clean, verdict.wrong
