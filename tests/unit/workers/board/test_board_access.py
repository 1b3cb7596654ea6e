from __future__ import annotations

import base64
from typing import TYPE_CHECKING

import pytest

from swapline_producer.errors import SettingsError
from swapline_producer.settings import load
from swapline_workers.board.access import ADDRESSES, GUESSES, REGAIN, BasicAuth, Verdict
from swapline_workers.board.settings import BoardSettings

if TYPE_CHECKING:
    from pathlib import Path


class Seconds:
    def __init__(self) -> None:
        self.at = 1000.0

    def __call__(self) -> float:
        return self.at


@pytest.fixture
def seconds() -> Seconds:
    return Seconds()


@pytest.fixture
def basic_auth(seconds: Seconds) -> BasicAuth:
    return BasicAuth("me", "right: and with a colon", clock=seconds)


def basic(user: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


RIGHT = basic("me", "right: and with a colon")


def test_the_right_name_and_password_are_welcome_however_often(basic_auth: BasicAuth) -> None:
    assert {basic_auth.ask(RIGHT, "10.0.0.1") for _ in range(100)} == {Verdict.WELCOME}


@pytest.mark.parametrize(
    "header",
    [
        "",
        "Basic",
        "Basic !!!",
        "Bearer " + RIGHT.partition(" ")[2],
        basic("me", ""),
        basic("me", "wrong"),
        basic("you", "right: and with a colon"),
        basic("ME", "right: and with a colon"),
        RIGHT + "AAAA",
        "Basic " + "A" * 100_000,
        "Basic é",
    ],
)
def test_everything_else_is_not(basic_auth: BasicAuth, header: str) -> None:
    assert basic_auth.ask(header, "10.0.0.1") is Verdict.UNKNOWN


def test_whoever_guesses_too_often_waits_even_with_the_right_one(basic_auth: BasicAuth, seconds: Seconds) -> None:
    assert [basic_auth.ask(basic("me", str(n)), "10.0.0.1") for n in range(GUESSES)] == [Verdict.UNKNOWN] * GUESSES
    assert basic_auth.ask(RIGHT, "10.0.0.1") is Verdict.WAIT
    assert basic_auth.wait("10.0.0.1") == REGAIN
    seconds.at += REGAIN
    assert basic_auth.ask(RIGHT, "10.0.0.1") is Verdict.WELCOME


def test_guessing_on_gains_one_guess_in_so_many_seconds(basic_auth: BasicAuth, seconds: Seconds) -> None:
    polled_at = 0
    for _ in range(600):
        polled_at += basic_auth.ask(basic("me", "x"), "10.0.0.1") is Verdict.UNKNOWN
        seconds.at += 1
    assert polled_at == GUESSES + 600 / REGAIN - 1


def test_others_are_left_in_peace_and_a_whole_ipv6_network_is_one(basic_auth: BasicAuth) -> None:
    for number in range(GUESSES):
        basic_auth.ask(basic("me", "x"), f"2001:db8::{number:x}")
    assert basic_auth.ask(RIGHT, "2001:db8::ffff") is Verdict.WAIT
    assert basic_auth.ask(RIGHT, "2001:db8:0:1::1") is Verdict.WELCOME
    assert basic_auth.ask(RIGHT, "10.0.0.2") is Verdict.WELCOME


def test_requests_without_a_password_cost_nobody_anything(basic_auth: BasicAuth) -> None:
    assert {basic_auth.ask("", "10.0.0.1") for _ in range(100)} == {Verdict.UNKNOWN}
    assert basic_auth.ask(RIGHT, "10.0.0.1") is Verdict.WELCOME


def test_only_so_many_addresses_are_remembered(basic_auth: BasicAuth) -> None:
    for number in range(ADDRESSES + 5):
        basic_auth.ask(basic("me", "x"), f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}")
    assert len(basic_auth._guesses) == ADDRESSES


@pytest.mark.parametrize("password", [None, "", "   "])
def test_without_a_password_there_is_a_sentence(monkeypatch: pytest.MonkeyPatch, password: str | None) -> None:
    if password is not None:
        monkeypatch.setenv("SWAPLINE_BOARD_PASSWORD", password)
    with pytest.raises(SettingsError, match="SWAPLINE_BOARD_PASSWORD is missing"):
        _ = load(BoardSettings).password


def test_the_password_may_be_in_a_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    file = tmp_path / "secret"
    monkeypatch.setenv("SWAPLINE_BOARD_PASSWORD_FILE", str(file))
    with pytest.raises(SettingsError, match="cannot be read"):
        _ = load(BoardSettings).password
    file.write_text("from a file\n")
    assert load(BoardSettings).password == "from a file"
    monkeypatch.setenv("SWAPLINE_BOARD_PASSWORD", "from the environment")
    with pytest.raises(SettingsError, match="both set"):
        _ = load(BoardSettings).password
