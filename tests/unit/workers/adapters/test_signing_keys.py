"""Which keys sign for which tenant; none of them is ever repeated."""

from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING

import pytest
from pydantic import SecretStr

from swapline_producer.errors import SettingsError
from swapline_producer.webhooks.signing import new_key_pair, new_secret
from swapline_workers.adapters.signing_keys import SigningKeys

if TYPE_CHECKING:
    from pathlib import Path

COMMON, ACMES, NEXT = new_secret(), new_secret(), new_secret()


class FakeTime:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def keys_of(of_tenants: str, clock: FakeTime | None = None) -> SigningKeys:
    return SigningKeys([SecretStr(COMMON)], SecretStr(of_tenants), clock or FakeTime())


@pytest.mark.parametrize(
    "keys",
    [ACMES, [ACMES], f"{ACMES},{NEXT}", [ACMES, NEXT]],
    ids=["one", "a list of one", "two by comma", "a list"],
)
def test_a_tenant_has_its_own_keys_and_all_others_have_the_common_ones(keys: str | list[str]) -> None:
    found = keys_of(json.dumps({"acme": keys}))
    assert found.of("acme")[0] == ACMES
    assert found.of("acme")[1:] in ([], [NEXT])
    assert found.of("other") == [COMMON]


def test_a_file_is_read_again_when_it_has_changed(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    file, clock = tmp_path / "keys.json", FakeTime()
    file.write_text(json.dumps({"acme": ACMES}))
    found = keys_of(str(file), clock)
    file.write_text(json.dumps({"acme": [NEXT], "new": [NEXT]}))
    assert found.of("acme") == [ACMES]
    clock.now += 6
    with caplog.at_level(logging.INFO):
        assert (found.of("acme"), found.of("new")) == ([NEXT], [NEXT])
    assert "2 tenants" in caplog.text


def test_a_file_that_is_being_written_changes_nothing(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    file, clock = tmp_path / "keys.json", FakeTime()
    file.write_text(json.dumps({"acme": ACMES}))
    found = keys_of(str(file), clock)
    file.write_text(json.dumps({"acme": NEXT})[:-5])
    clock.now += 6
    assert found.of("acme") == [ACMES]
    assert "stay as they were" in caplog.text
    assert NEXT[6:30] not in caplog.text
    file.unlink()
    clock.now += 6
    assert found.of("acme") == [ACMES]


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ("{", "JSON object"),
        ('{"acme": 7}', "JSON object"),
        ('{"a b": "whsec_"}', "JSON object"),
        (json.dumps({"acme": ACMES[:-20]}), "tenant acme.*24 at least"),
        (json.dumps({"acme": ACMES[6:]}), "tenant acme.*begin with whsec_"),
        ('{"acme": []}', "tenant acme: it has no keys"),
        ("/no/such/file", "No such file"),
    ],
    ids=["cut", "number", "name", "short", "no prefix", "no keys", "no file"],
)
def test_a_map_that_is_wrong_stops_the_worker_and_is_not_repeated(value: str, reason: str) -> None:
    with pytest.raises(SettingsError, match=reason) as caught:
        keys_of(value)
    assert "SWAPLINE_WEBHOOK_TENANT_SECRETS" in str(caught.value)
    assert ACMES[6:20] not in str(caught.value)
    assert caught.value.__cause__ is None


def test_a_public_key_cannot_sign() -> None:
    private, public = new_key_pair()
    assert keys_of(json.dumps({"acme": private})).of("acme") == [private]
    with pytest.raises(SettingsError, match="verifies only"):
        keys_of(json.dumps({"acme": public}))
