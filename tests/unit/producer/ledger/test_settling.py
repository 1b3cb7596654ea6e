"""Which server may be written an attempt, and from when on."""

from __future__ import annotations

from dataclasses import dataclass
from types import SimpleNamespace

import pytest

from swapline_producer.errors import LedgerSettling
from swapline_producer.ledger import settling
from swapline_producer.ledger.settling import SETTLING_S, STRANGE, MetServers, Server, ask_server


@dataclass
class Connection:
    """Leads to one server."""

    name: str
    uptime: float = 3600.0

    def server(self) -> Server:
        return Server(self.name, self.uptime)


@pytest.fixture
def now(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    clock = [1000.0]
    monkeypatch.setattr(settling, "time", SimpleNamespace(monotonic=lambda: clock[0]))
    return clock


def seconds_to_wait(met: MetServers, connection: object) -> float:
    try:
        met.require_settled(connection)
    except LedgerSettling as settling:
        return settling.seconds
    return 0.0


def test_the_first_server_is_trusted_and_each_that_takes_its_place_after_a_while(now: list[float]) -> None:
    met = MetServers()
    assert [seconds_to_wait(met, Connection(name)) for name in ("first", "second")] == [0.0, SETTLING_S]
    now[0] += 1.0
    with pytest.raises(LedgerSettling, match=r"paid calls begin in 0\.5 s"):
        met.require_settled(Connection("second"))
    assert seconds_to_wait(met, Connection("first")) == 0.0
    now[0] += 0.5
    assert [seconds_to_wait(met, Connection(name)) for name in ("second", "third")] == [0.0, SETTLING_S]


@pytest.mark.parametrize(("uptime", "seconds"), [(0.0, 1.5), (1.0, 0.5), (2.0, 0.0)])
@pytest.mark.usefixtures("now")
def test_a_process_that_has_just_begun_waits_for_a_server_that_has_as_well(uptime: float, seconds: float) -> None:
    assert seconds_to_wait(MetServers(), Connection("first", uptime)) == seconds


def test_a_server_that_was_met_by_another_call_settles_meanwhile(now: list[float]) -> None:
    met = MetServers()
    assert [met.meet(Connection(name)).name for name in ("first", "second")] == ["first", "second"]
    now[0] += SETTLING_S
    assert seconds_to_wait(met, Connection("second")) == 0.0


def test_a_client_that_was_opened_elsewhere_does_not_wait() -> None:
    met = MetServers()
    assert [seconds_to_wait(met, connection) for connection in (object(), object())] == [0.0, 0.0]


INFO = "# Server\r\nuptime_in_seconds:12\r\n# Replication\r\nmaster_replid:5f2c\r\nmaster_replid2:0000\r\n"


@pytest.mark.parametrize(
    ("reply", "found"),
    [
        (INFO, Server("5f2c", 12.0)),
        (INFO.encode(), Server("5f2c", 12.0)),
        ("# Server\r\nuptime_in_seconds:12\r\n", STRANGE),
        ("", STRANGE),
    ],
)
def test_a_server_is_known_by_what_it_says(reply: str | bytes, found: Server) -> None:
    asked: list[str] = []
    connection = SimpleNamespace(send_command=lambda *command: asked.extend(command), read_response=lambda: reply)
    assert ask_server(connection) == found
    assert asked == ["INFO"]
