"""`SWAPLINE_ACCOUNTS`: what it may say, and one sentence for what it may not, without a key."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from pydantic import SecretStr

from swapline_producer.errors import SettingsError
from swapline_producer.operations.account_settings import AccountsSource, accounts_source, shown
from swapline_producer.settings import VendorSettings

if TYPE_CHECKING:
    from pathlib import Path

BASE = {"base_url": "https://vendor.example", "key": "the-key", "key_header": "X-API-Key"}


def read(*accounts: dict[str, Any], **defaults: Any) -> Any:
    return AccountsSource(json.dumps([{**BASE, **one} for one in accounts]), defaults).read()


def test_an_account_has_the_vendors_basic_plan_and_every_version_unless_it_says_otherwise() -> None:
    [one] = read({"name": "a"}).values()
    assert (one.max_in_flight, one.weight, one.labels, one.credits_per_day) == (3, 1.0, (), None)
    assert {str(version) for version in one.api_versions} == {"v5", "v6"}


def test_a_key_may_lie_in_a_file_and_a_change_of_either_file_is_seen(tmp_path: Path) -> None:
    key, file = tmp_path / "key", tmp_path / "accounts.json"
    key.write_text("from-a-file\n")
    mine = {name: value for name, value in BASE.items() if name != "key"}
    file.write_text(json.dumps([{**mine, "name": "a", "key_file": str(key)}]))
    source = AccountsSource(str(file), {})
    assert source.read()["a"].key.get_secret_value() == "from-a-file"
    seen = source.stamp()
    assert source.stamp() == seen
    key.write_text("another\n")
    assert source.stamp() != seen
    assert source.read()["a"].key.get_secret_value() == "another"


def test_address_and_header_may_be_those_of_the_single_account() -> None:
    settings = VendorSettings(
        api_base_url="https://vendor.example",
        api_key=SecretStr("unused"),
        accounts=SecretStr('[{"name": "a", "key": "k", "key_header": "X-API-Key"}]'),
    )
    source = accounts_source(settings)
    assert source is not None
    assert source.read()["a"].base_url == "https://vendor.example"


def test_accounts_need_no_single_account() -> None:
    settings = VendorSettings(accounts=SecretStr(json.dumps([{**BASE, "name": "a"}])))
    source = accounts_source(settings)
    assert source is not None
    assert list(source.read()) == ["a"]


@pytest.mark.parametrize(
    ("accounts", "sentence"),
    [
        ([{"name": "a"}, {"name": "a", "key": "other"}], "two accounts have the name 'a'"),
        ([{"name": "a"}, {"name": "b"}], "'a' and 'b' have one address and key"),
        ([{"name": "a"}, {"name": "b", "key": "x", "labels": ["a"]}], "'a' is the name of an account and a label"),
        ([{"name": "a", "weight": 0}], "account 1 of the list: weight"),
        ([{"name": "a", "weight": -1}], "account 1 of the list: weight"),
        ([{"name": "a", "max_in_flight": -3}], "account 1 of the list: max_in_flight"),
        ([{"name": "a", "max_in_flight": True}], "account 1 of the list: max_in_flight: it must be no boolean"),
        ([{"name": "a", "credits_per_day": -1}], "account 1 of the list: credits_per_day"),
        ([{"name": "a:b"}], "account 1 of the list: name"),
        ([{"name": "a", "api_versions": []}], "account 1 of the list: api_versions"),
        ([{"name": "a", "api_versions": ["v7"]}], "account 1 of the list: api_versions"),
        ([{"name": "a", "base_url": "vendor.example"}], "account 1 of the list: base_url: must begin with https://"),
        ([{"name": "a", "key_file": "/x"}], "has both key and key_file"),
        ([{"name": f"a{n}", "key": f"k{n}"} for n in range(101)], "it names 101 accounts, and 100 is the most"),
        ([], "it names no account"),
    ],
)
def test_what_is_wrong_is_one_sentence_without_a_key(accounts: list[dict[str, Any]], sentence: str) -> None:
    with pytest.raises(SettingsError) as caught:
        read(*accounts)
    assert sentence in str(caught.value)
    assert str(caught.value).count("\n") == 0
    assert "the-key" not in str(caught.value)


@pytest.mark.parametrize("text", ["[", '[{"name": "a", "key": "the-key"', "{}", '["a"]', "[1]"])
def test_a_text_that_is_no_list_of_accounts_is_one_sentence(text: str) -> None:
    with pytest.raises(SettingsError, match="SWAPLINE_ACCOUNTS is wrong") as caught:
        AccountsSource(text, {}).read()
    assert "the-key" not in str(caught.value)


def test_a_file_that_is_missing_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="cannot be read: No such file"):
        AccountsSource(str(tmp_path / "none.json"), {}).read()


def test_the_ledger_is_shown_no_key_and_ids_are_told_apart_by_vendor() -> None:
    accounts = read(
        {"name": "default"}, {"name": "b", "key": "x"}, {"name": "c", "key": "y", "base_url": "https://other.example"}
    )
    record = {name: one.as_record() for name, one in shown(accounts).items()}
    assert "the-key" not in json.dumps(record)
    scopes = {name: json.loads(one["about"])["scope"] for name, one in record.items()}
    assert (scopes["default"], scopes["b"]) == ("", "")
    assert len(scopes["c"]) == 8
