from __future__ import annotations

import base64
from typing import TYPE_CHECKING

import pytest

from swapline_producer.errors import SettingsError
from swapline_producer.settings import load
from swapline_workers.board.settings import BoardSettings
from swapline_workers.web.basic_auth import NAME_GUESSES, NAME_REGAIN, BasicAuth, Decision, Verdict
from swapline_workers.web.sessions import LIFETIME, Sessions
from swapline_workers.web.throttle import ACCOUNTS, GUESSES, REGAIN, LoginThrottle

if TYPE_CHECKING:
    from collections.abc import Callable
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
    return BasicAuth([("me", "right: and with a colon")], clock=seconds)


def basic(user: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


RIGHT = basic("me", "right: and with a colon")
HOME, CAFE = "10.0.0.1", "10.0.0.2"


def wrong(number: int = 0, user: str = "me") -> str:
    return basic(user, f"guess {number}")


def test_the_right_name_and_password_are_welcome_however_often(basic_auth: BasicAuth) -> None:
    assert {basic_auth.decide(RIGHT, HOME).verdict for _ in range(100)} == {Verdict.WELCOME}


def test_there_may_be_several_pairs() -> None:
    basic_auth = BasicAuth([("me", "right"), ("you", "other")])
    asked = [
        basic_auth.decide(basic(*pair), HOME).verdict for pair in (("me", "right"), ("you", "other"), ("you", "right"))
    ]
    assert asked == [Verdict.WELCOME, Verdict.WELCOME, Verdict.UNKNOWN]


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
    assert basic_auth.decide(header, HOME) == Decision(Verdict.UNKNOWN)


def test_whoever_guesses_too_often_waits_even_with_the_right_one(basic_auth: BasicAuth, seconds: Seconds) -> None:
    assert {basic_auth.decide(wrong(n), HOME).verdict for n in range(GUESSES)} == {Verdict.UNKNOWN}
    assert basic_auth.decide(RIGHT, HOME) == Decision(Verdict.WAIT, wait=int(REGAIN))
    seconds.at += REGAIN
    assert basic_auth.decide(RIGHT, HOME).verdict is Verdict.WELCOME


def test_guessing_on_gains_one_guess_in_so_many_seconds(basic_auth: BasicAuth, seconds: Seconds) -> None:
    compared = 0
    for _ in range(600):
        compared += basic_auth.decide(wrong(), HOME).verdict is Verdict.UNKNOWN
        seconds.at += 1
    assert compared == GUESSES + 600 / REGAIN - 1


def test_one_wrong_password_every_three_seconds_does_not_keep_a_known_session_out(
    basic_auth: BasicAuth, seconds: Seconds
) -> None:
    session = basic_auth.decide(RIGHT, HOME).session
    others = set()
    for number in range(100):
        basic_auth.decide(wrong(number), HOME)
        assert basic_auth.decide(RIGHT, HOME, session) == Decision(Verdict.WELCOME)
        assert basic_auth.decide(RIGHT, CAFE).verdict is Verdict.WELCOME
        others.add(basic_auth.decide(RIGHT, HOME).verdict)
        seconds.at += 3
    assert Verdict.WAIT in others


def test_wrong_passwords_for_another_name_do_not_keep_ours_out(basic_auth: BasicAuth) -> None:
    for number in range(2 * GUESSES):
        basic_auth.decide(wrong(number, "admin"), HOME)
    assert basic_auth.decide(wrong(0, "admin"), HOME).verdict is Verdict.WAIT
    assert basic_auth.decide(RIGHT, HOME).verdict is Verdict.WELCOME


def test_a_session_has_a_limit_of_guesses_too_and_does_not_let_in_by_itself(basic_auth: BasicAuth) -> None:
    session = basic_auth.decide(RIGHT, HOME).session
    assert basic_auth.decide("", HOME, session).verdict is Verdict.UNKNOWN
    assert {basic_auth.decide(wrong(n), HOME, session).verdict for n in range(GUESSES)} == {Verdict.UNKNOWN}
    assert basic_auth.decide(RIGHT, CAFE, session).verdict is Verdict.WAIT
    assert basic_auth.decide(RIGHT, CAFE).verdict is Verdict.WELCOME


@pytest.mark.parametrize("change", [str.upper, lambda token: "9" + token, lambda token: token[:-1], lambda _: "."])
def test_a_session_that_is_not_ours_is_none(basic_auth: BasicAuth, change: Callable[[str], str]) -> None:
    session = change(basic_auth.decide(RIGHT, HOME).session)
    for number in range(GUESSES):
        basic_auth.decide(wrong(number), HOME)
    assert basic_auth.decide(RIGHT, HOME, session).verdict is Verdict.WAIT


def test_a_session_ends_and_is_not_anothers_who_has_another_password() -> None:
    day = Seconds()
    sessions = Sessions("me:right", clock=day)
    token = sessions.new()
    assert Sessions("me:right", clock=day).known(token)
    assert not Sessions("me:other", clock=day).known(token)
    day.at += LIFETIME
    assert not sessions.known(token)


def test_who_comes_from_ever_new_addresses_has_a_limit_too(basic_auth: BasicAuth, seconds: Seconds) -> None:
    compared = 0
    for number in range(NAME_GUESSES + 300):
        compared += basic_auth.decide(wrong(number), f"10.1.{number >> 8}.{number & 255}").verdict is Verdict.UNKNOWN
    assert compared == NAME_GUESSES
    seconds.at += NAME_REGAIN
    assert basic_auth.decide(RIGHT, HOME).verdict is Verdict.WELCOME


def test_a_whole_ipv6_network_is_one(basic_auth: BasicAuth) -> None:
    for number in range(GUESSES):
        basic_auth.decide(wrong(), f"2001:db8::{number:x}")
    assert basic_auth.decide(RIGHT, "2001:db8::ffff").verdict is Verdict.WAIT
    assert basic_auth.decide(RIGHT, "2001:db8:0:1::1").verdict is Verdict.WELCOME


def test_requests_without_a_password_cost_nobody_anything(basic_auth: BasicAuth) -> None:
    assert {basic_auth.decide("", HOME).verdict for _ in range(100)} == {Verdict.UNKNOWN}
    assert basic_auth.decide(RIGHT, HOME).verdict is Verdict.WELCOME


def test_only_so_many_accounts_are_remembered(seconds: Seconds) -> None:
    throttle = LoginThrottle(1, clock=seconds)
    for number in range(ACCOUNTS + 1):
        throttle.note(number)
    assert (throttle.wait(0), throttle.wait(1)) == (0, REGAIN)


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
