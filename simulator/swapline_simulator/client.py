"""Ask and direct a running simulator, from this process or another."""

from __future__ import annotations

import json
from http import HTTPStatus
from http.client import HTTPConnection
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from swapline_simulator.account.report import Report
from swapline_simulator.errors import SimulatorError

if TYPE_CHECKING:
    from pydantic import JsonValue

    from swapline_simulator.faults.modes import Mode

SECONDS = 30
"""For one call: the report of a hundred thousand jobs takes a few."""


class Control:
    """The control page of the simulator at a URL. Uses no proxy, whatever the environment says."""

    def __init__(self, url: str) -> None:
        """Keep the address; nothing is called yet."""
        self._address = urlsplit(url).netloc

    def report(self, *, jobs: bool = True) -> Report:
        """Give what the vendor saw, with or without each job.

        Raises SimulatorError, and OSError when nobody answers.
        """
        return Report.model_validate_json(self._call("GET", "/_control" if jobs else "/_control?jobs=0"))

    def change(self, **fields: JsonValue) -> Report:
        """Change any field of SimulatorConfig; `reset=True` and `calm=True` forget jobs and directions first.

        `finish=True` ends the jobs that run, after all else.
        Gives the report afterwards, without jobs. Raises SimulatorError with the sentence of a refused change.
        """
        return Report.model_validate_json(self._call("POST", "/_control", json.dumps(fields)))

    def set_mode(self, mode: Mode | str, **how: str | float | None) -> None:
        """Give one direction; `how` takes `amount`, `share`, `times`, `job`, `next_submissions` (see Direction)."""
        self.change(mode={"mode": str(mode), **how})

    def calm(self) -> None:
        """End all misbehaviour."""
        self.change(calm=True)

    def finish(self) -> None:
        """Have every job that runs done now: with a long service time, a test says when that is."""
        self.change(finish=True)

    def reset(self) -> None:
        """Forget every job, charge and direction."""
        self.change(reset=True)

    def _call(self, method: str, path: str, body: str | None = None) -> bytes:
        connection = HTTPConnection(self._address, timeout=SECONDS)
        try:
            connection.request(method, path, body)
            reply = connection.getresponse()
            said = reply.read()
        finally:
            connection.close()
        if reply.status != HTTPStatus.OK:
            raise SimulatorError(f"The simulator at {self._address} answered {reply.status}: {_message(said)}")
        return said


def _message(said: bytes) -> str:
    try:
        return str(json.loads(said)["message"])
    except (ValueError, KeyError, TypeError):
        return said[:200].decode(errors="replace")
