"""Watches the jobs that a killed worker worked on until each of them moves again, and that no version ever shrinks."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import redis

from chaos.environment import PREFIX, now

if TYPE_CHECKING:
    from collections.abc import Sequence

    from chaos.environment import Stage

CHECK_INTERVAL_S = 0.05
"""Seconds: the error of every recovery time."""
FIELDS = ("state", "version", "notification", "queue_until")
FINISHED = frozenset({"SUCCEEDED", "FAILED", "EXPIRED", "TIMED_OUT", "CANCELED"})


@dataclass
class Victim:
    """One job that was in a killed worker's hands."""

    kill: int
    job: str
    step: str
    killed_at: int
    version: int | None = None
    """Its version at the kill; None until it was read (Redis may be down as well)."""
    due: float = 0
    """When the rescue was to come, at the kill."""
    taken_up: bool = False
    """Whether a living worker has sent its step again, or the job has moved."""


class Observer(threading.Thread):
    """Reads Redis directly, not through a proxy."""

    def __init__(self, stage: Stage) -> None:
        super().__init__(name="observer", daemon=True)
        self._client = stage.client
        self._record = stage.record("moves")
        self._victims: list[Victim] = []
        self._turns: dict[str, int] = {}
        self._lock = threading.Lock()
        self._enough = threading.Event()

    def killed(self, kill: int, at: int, tasks: Sequence[tuple[str, str]]) -> None:
        """Watch these (job, step) from now on. A job that is killed twice counts from the later kill only."""
        jobs = {job for job, _ in tasks}
        with self._lock:
            for victim in [one for one in self._victims if one.job in jobs]:
                self._close(victim, "killed again")
            self._victims += [Victim(kill, job, step, at) for job, step in dict(tasks).items()]

    def run(self) -> None:
        while not self._enough.wait(CHECK_INTERVAL_S):
            self.poll()

    def poll(self) -> None:
        """Look at all of them once."""
        with self._lock:
            victims = list(self._victims)
        try:
            found = self._read(victims)
        except redis.exceptions.RedisError:
            return
        at = now()
        with self._lock:
            for victim, (fields, due) in zip(victims, found, strict=True):
                if victim in self._victims:
                    self._judge(victim, dict(zip(FIELDS, fields, strict=True)), due, at)

    def stop(self) -> None:
        self._enough.set()
        self.join()
        for victim in list(self._victims):
            self._close(victim, "never moved")

    def _read(self, victims: Sequence[Victim]) -> list[tuple[list[str | None], float | None]]:
        with self._client.pipeline(transaction=False) as pipe:
            for victim in victims:
                pipe.hmget(f"{PREFIX}:job:{victim.job}", FIELDS)
                pipe.zscore(f"{PREFIX}:due", victim.job)
            answers: list[Any] = pipe.execute()
        return list(zip(answers[::2], answers[1::2], strict=True))

    def _judge(self, victim: Victim, job: dict[str, str | None], due: float | None, at: int) -> None:
        version = int(job["version"] or 0)
        if version < self._turns.get(victim.job, 0):
            self._record({"at": at, "job": victim.job, "what": "its version has shrunk"})
        self._turns[victim.job] = version
        if self._waits_for_nobody(job, due):
            self._close(victim, "needed no worker" if victim.version is None else "moved", at)
        elif victim.version is None:
            victim.version, victim.due = version, due or 0
        elif version > victim.version:
            self._close(victim, "moved", at)
        elif not victim.taken_up and due is not None and due > victim.due:
            victim.taken_up = True
            self._log(victim, "taken up", at)

    @staticmethod
    def _waits_for_nobody(job: dict[str, str | None], due: float | None) -> bool:
        """At rest, held for a person, or parked in the line."""
        delivered = job["notification"] != "PENDING"
        if job["state"] == "QUEUED":
            return due is not None and due >= float(job["queue_until"] or 0)
        return delivered and (job["state"] in FINISHED or job["state"] == "HELD")

    def _close(self, victim: Victim, what: str, at: int | None = None) -> None:
        self._victims.remove(victim)
        if what == "moved" and not victim.taken_up:
            self._log(victim, "taken up", at)
        self._log(victim, what, at)

    def _log(self, victim: Victim, what: str, at: int | None) -> None:
        fact = {"at": at or now(), "what": what, "kill": victim.kill, "job": victim.job, "step": victim.step}
        self._record({**fact, "killed_at": victim.killed_at})
