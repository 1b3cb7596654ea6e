"""Which server a connection leads to."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from swapline_producer.ledger.servers import UNKNOWN, replication_id, server_of

INFO = "# Replication\r\nrole:master\r\nmaster_replid:5f2c\r\nmaster_replid2:0000\r\n"


@pytest.mark.parametrize(
    ("reply", "found"), [(INFO, "5f2c"), (INFO.encode(), "5f2c"), ("# Replication\r\nrole:master\r\n", UNKNOWN)]
)
def test_a_server_is_known_by_its_replication_id(reply: str | bytes, found: str) -> None:
    asked: list[str] = []
    connection = SimpleNamespace(send_command=lambda *command: asked.extend(command), read_response=lambda: reply)
    assert replication_id(connection) == found
    assert asked == ["INFO", "replication"]


def test_a_client_that_was_opened_elsewhere_leads_to_an_unknown_server() -> None:
    assert server_of(object()) == UNKNOWN
    assert server_of(SimpleNamespace(server=lambda: "5f2c")) == "5f2c"
