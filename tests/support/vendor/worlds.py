"""Two worlds in which the same claims about the vendor client must hold: `responses`, and real HTTP.

Both say the very bytes of the simulator's replies; they differ in what carries them.
"""

from __future__ import annotations

import base64
from http.client import RemoteDisconnected
from typing import TYPE_CHECKING, Any, Protocol

import requests
from pydantic import SecretStr
from urllib3.exceptions import IncompleteRead, ProtocolError

from support.pictures.pngs import png
from support.vendor.client import client, dripping, sent
from swapline_simulator.account.catalog import Catalog
from swapline_simulator.api import replies
from swapline_simulator.api.orders import Refusal, read_order, read_picture
from swapline_simulator.api.results import ENDINGS, completed, in_mode
from swapline_simulator.api.status import OTHER_JOB, UNKNOWN_STATUS
from swapline_simulator.enums import ApiVersion
from swapline_simulator.faults.modes import MODES, Mode, Stage
from swapline_simulator.faults.script import Cue
from swapline_workers.adapters.vendor import VendorClient

if TYPE_CHECKING:
    import responses
    from requests import PreparedRequest

    from swapline_simulator import Simulator
    from swapline_simulator.api.replies import Reply


class World(Protocol):
    """A vendor whose answers can be set."""

    def client(self, **more: Any) -> VendorClient:
        """Give a client of this vendor."""

    def direct(self, *modes: str, amount: float | None = None) -> None:
        """Answer in these modes from now on; the amount is for those that have one."""

    @property
    def paid(self) -> int:
        """Submissions that were charged."""


class RealWorld:
    """The simulator over real HTTP."""

    def __init__(self, simulator: Simulator) -> None:
        """Begin with empty books."""
        self._simulator = simulator
        simulator.control.reset()

    def client(self, **more: Any) -> VendorClient:
        """Give a client of the simulator."""
        config = self._simulator.config
        given: dict[str, Any] = {"key_header": config.key_header, "key": SecretStr(config.key)} | more
        return VendorClient(base_url=self._simulator.url, **given)

    def direct(self, *modes: str, amount: float | None = None) -> None:
        """Tell the simulator."""
        for mode in modes:
            self._simulator.control.set_mode(mode, amount=amount if MODES[Mode(mode)].unit else None)

    @property
    def paid(self) -> int:
        """Ask the simulator's books."""
        return self._simulator.control.report().accepted


class MockedWorld:
    """The same replies out of `responses`: jobs are done at once, and time does not pass."""

    def __init__(self, mock: responses.RequestsMock) -> None:
        """Answer both endpoints of v6."""
        self._modes = {
            Stage.SUBMIT: Cue(Mode.SUBMIT_OK),
            Stage.STATUS: Cue(Mode.STATUS_OK),
            Stage.RESULT: Cue(Mode.RESULT_OK),
        }
        self._polls = 0
        self.paid = 0
        mock.add_callback("POST", "https://vendor.test/v6/run/face_swap", self._run)
        mock.add_callback("POST", "https://vendor.test/v6/status/job-1", self._status)
        mock.assert_all_requests_are_fired = False

    def client(self, **more: Any) -> VendorClient:
        """Give a client of the mocked vendor."""
        return client(**more)

    def direct(self, *modes: str, amount: float | None = None) -> None:
        """Keep the modes."""
        for mode in map(Mode, modes):
            self._modes[mode.stage] = Cue(mode, MODES[mode].amount if amount is None else amount)

    def _run(self, request: PreparedRequest) -> tuple[int, dict[str, str], Any]:
        cue = self._modes[Stage.SUBMIT]
        reply = replies.canned(cue.mode.kind, cue.amount, 1_700_000_000)
        if cue.mode.accepts:
            try:
                self._accept(sent(request))
            except Refusal as refusal:
                return _whole(replies.refused(refusal))
        match cue.mode:
            case Mode.SUBMIT_CLOSED | Mode.SUBMIT_CLOSED_ACCEPTED:
                raise _no_reply()
            case Mode.SUBMIT_SLOW_ACCEPTED:
                raise requests.ReadTimeout
            case Mode.SUBMIT_CUT_ACCEPTED:
                return _half(replies.accepted("job-1"))
            case Mode.SUBMIT_LONG_ID_ACCEPTED:
                reply = replies.accepted("x" * 300)
            case Mode.SUBMIT_NO_ID_ACCEPTED:
                reply = replies.text({"status": "IN_QUEUE"})
        return _whole(reply or replies.accepted("job-1"))

    def _accept(self, body: dict[str, Any]) -> None:
        read_order(ApiVersion.V6, body, Catalog())
        if read_picture(body).startswith("bm90"):  # "not a picture"
            raise Refusal(400, "INVALID_IMAGE", "The input is not a picture, or not a whole one.")
        self.paid += 1

    def _status(self, _request: PreparedRequest) -> tuple[int, dict[str, str], Any]:
        cue, result = self._modes[Stage.STATUS], self._modes[Stage.RESULT]
        self._polls += 1
        if (canned := replies.canned(cue.mode.kind, cue.amount, 1_700_000_000)) is not None:
            return _whole(canned)
        reply = _news(result)
        match cue.mode:
            case Mode.STATUS_CLOSED | Mode.STATUS_HELD_CUT:
                raise _no_reply()
            case Mode.STATUS_HELD_PENDING:
                reply = replies.standing("job-1", "IN_PROGRESS")
            case Mode.STATUS_UNKNOWN:
                reply = replies.standing("job-1", UNKNOWN_STATUS)
            case Mode.STATUS_CUT:
                return _half(reply)
            case Mode.STATUS_LONG:
                reply = replies.standing("job-1", "A" * 4_000_000)
            case Mode.STATUS_OTHER_JOB:
                reply = completed(OTHER_JOB, base64.b64encode(png(60, 90)))
            case Mode.STATUS_404_THEN_FOUND if self._polls <= cue.amount:
                reply = replies.refused(Refusal(404, "JOB_NOT_FOUND", "There is no such job."))
        return _whole(reply)


def _news(result: Cue) -> Reply:
    picture = base64.b64encode(png(60, 90))
    if result.mode in ENDINGS:
        return replies.standing("job-1", ENDINGS[result.mode])
    return completed("job-1", picture) if result.mode is Mode.RESULT_OK else in_mode("job-1", result, picture)


def _whole(reply: Reply) -> tuple[int, dict[str, str], bytes]:
    return reply.status, reply.headers, b"".join(reply.pieces)


def _half(reply: Reply) -> tuple[int, dict[str, str], Any]:
    body = b"".join(reply.pieces)
    half = len(body) // 2
    pieces = [body[at : min(at + 1000, half)] for at in range(0, half, 1000)]
    return reply.status, {}, dripping(*pieces, error=ProtocolError("Connection broken", IncompleteRead(half, half)))


def _no_reply() -> requests.ConnectionError:
    return requests.ConnectionError(ProtocolError("Connection aborted.", RemoteDisconnected("no response")))
