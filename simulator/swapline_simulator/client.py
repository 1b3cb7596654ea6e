"""Control a running simulator, in this process or another."""

from __future__ import annotations

import json
from http import HTTPStatus
from http.client import HTTPConnection
from typing import TYPE_CHECKING
from urllib.parse import quote, urlsplit

from swapline_simulator.account.report import Report
from swapline_simulator.errors import SimulatorError

if TYPE_CHECKING:
    from pydantic import JsonValue

    from swapline_simulator.faults.modes import Mode

TIMEOUT_S = 30
"""Seconds for one call: the report of a hundred thousand jobs takes a few."""


class Control:
    """The control page of the simulator at a URL. Ignores proxies in the environment."""

    def __init__(self, url: str, account: str | None = None) -> None:
        """Connect at the first call. `account`: a further account of the vendor's."""
        self._url = url
        self._address = urlsplit(url).netloc
        self._path = "/_control?" if account is None else f"/_control?account={quote(account)}&"

    def of(self, account: str) -> Control:
        """Return the control of a further account: its report, modes and configuration."""
        return Control(self._url, account)

    def report(self, *, jobs: bool = True) -> Report:
        """Return the report, with or without each job. Raises SimulatorError, and OSError without a reply."""
        return Report.model_validate_json(self._call("GET", self._path + ("" if jobs else "jobs=0")))

    def change(self, **fields: JsonValue) -> Report:
        """Change any field of SimulatorConfig; first, `reset=True` forgets all jobs, `clear_modes=True` all modes.

        `finish=True` finally ends the running jobs. Returns the new report without jobs. Raises SimulatorError for a
        refused change.
        """
        return Report.model_validate_json(self._call("POST", self._path, json.dumps(fields)))

    def set_mode(self, mode: Mode | str, **how: str | float | None) -> None:
        """Add one direction; `how` takes its other fields: `amount`, `share`, `times`, `job`, `picture` and so on."""
        self.change(mode={"mode": str(mode), **how})

    def clear_modes(self) -> None:
        """Return to normal replies."""
        self.change(clear_modes=True)

    def finish(self) -> None:
        """End every running job and send every late reply now: with long times, a test decides when."""
        self.change(finish=True)

    def reset(self) -> None:
        """Forget every job, charge and direction."""
        self.change(reset=True)

    def _call(self, method: str, path: str, body: str | None = None) -> bytes:
        connection = HTTPConnection(self._address, timeout=TIMEOUT_S)
        try:
            connection.request(method, path, body)
            reply = connection.getresponse()
            body_bytes = reply.read()
        finally:
            connection.close()
        if reply.status != HTTPStatus.OK:
            raise SimulatorError(f"The simulator at {self._address} answered {reply.status}: {_message(body_bytes)}")
        return body_bytes


def _message(body_bytes: bytes) -> str:
    try:
        return str(json.loads(body_bytes)["message"])
    except (ValueError, KeyError, TypeError):
        return body_bytes[:200].decode(errors="replace")
