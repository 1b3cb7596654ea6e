"""Which server may be written an attempt, and from when on."""

from __future__ import annotations

from dataclasses import dataclass
from types import SimpleNamespace

import pytest

from swapline_producer.errors import LedgerSettling
from swapline_producer.ledger import settling
from swapline_producer.ledger.settling import SETTLING_S, MetServers, replication_id


@dataclass
class Connection:
    """Leads to one server."""

    name: str

    def server(self) -> str:
        return self.name


@pytest.fixture
def now(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    clock = [1000.0]
    monkeypatch.setattr(settling, "time", SimpleNamespace(monotonic=lambda: clock[0]))
    return clock


def test_the_first_server_is_trusted_and_each_that_takes_its_place_after_a_while(now: list[float]) -> None:
    met = MetServers()
    met.require_settled(Connection("first"))
    assert met.meet(Connection("second")) == SETTLING_S
    now[0] += SETTLING_S - 0.5
    with pytest.raises(LedgerSettling, match=r"paid calls begin in 0\.5 s") as raised:
        met.require_settled(Connection("second"))
    assert raised.value.seconds == pytest.approx(0.5)
    met.require_settled(Connection("first"))  # an attempt there is fenced by its own loss of the address
    now[0] += 0.5
    met.require_settled(Connection("second"))
    assert met.meet(Connection("third")) == SETTLING_S


def test_a_client_that_was_opened_elsewhere_is_not_fenced() -> None:
    met = MetServers()
    assert [met.meet(connection) for connection in (Connection("first"), object())] == [0.0, 0.0]


@pytest.mark.parametrize(
    ("reply", "found"),
    [
        ("# Replication\r\nrole:master\r\nmaster_replid:5f2c\r\nmaster_replid2:0000\r\n", "5f2c"),
        (b"# Replication\r\nmaster_replid:5f2c\r\n", "5f2c"),
        ("# Replication\r\nrole:master\r\n", "?"),
    ],
)
def test_the_replication_id_is_read_from_what_the_server_says(reply: str | bytes, found: str) -> None:
    asked: list[str] = []
    connection = SimpleNamespace(send_command=lambda *command: asked.extend(command), read_response=lambda: reply)
    assert replication_id(connection) == found
    assert asked == ["INFO", "replication"]
