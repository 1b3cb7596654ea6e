"""Flower with the settings of ops/: never open, on loopback, and with nothing but the server's address."""

from __future__ import annotations

import subprocess
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest
import requests

from support.http.half_requests import half_requests, is_cut
from support.programs.installation import SWAPLINE
from support.services.flowers import flower
from swapline_workers.doctor.flower import examine
from swapline_workers.local.errors import ChildFailed
from swapline_workers.local.ports import free_port
from swapline_workers.local.valkey.server import EmbeddedValkey
from swapline_workers.web.throttle import GUESSES

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path


@contextmanager
def serving(folder: Path) -> Generator[str]:
    port = free_port()
    with EmbeddedValkey(folder / "valkey") as server:
        login = {"FLOWER_BASIC_AUTH": "you:other,me:right"}
        # What a kubelet sets for a Service `flower`.
        links = {"FLOWER_PORT": "tcp://10.0.0.1:5555", "FLOWER_PORT_5555_TCP": "tcp://10.0.0.1:5555"}
        child = flower(folder, port, SWAPLINE_REDIS_URL=server.url, **login, **links)
        child.start()
        yield f"http://127.0.0.1:{port}"
        child.stop()


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Generator[str]:
    """One Flower for the tests that guess no password."""
    with serving(tmp_path_factory.mktemp("flower")) as url:
        yield url


@pytest.fixture
def own_url(tmp_path: Path) -> Generator[str]:
    """A Flower that knows no address yet."""
    with serving(tmp_path) as url:
        yield url


def test_no_page_with_a_job_on_it_opens_without_the_password(own_url: str) -> None:
    opened = {
        (page, auth): requests.get(own_url + page, auth=auth, timeout=30).status_code
        for page in ("/", "/workers", "/tasks", "/broker", "/api/tasks", "/api/workers", "/metrics")
        for auth in (None, ("me", "wrong"))
    }
    assert set(opened.values()) == {401}, opened


def test_tasks_show_how_often_they_were_tried_again(url: str) -> None:
    page = requests.get(f"{url}/tasks", auth=("me", "right"), timeout=30).text
    shown = [
        name for name in ("name", "uuid", "state", "received", "runtime", "worker", "retries") if name in page.lower()
    ]
    assert shown == ["name", "uuid", "state", "received", "runtime", "worker", "retries"]


def test_the_doctor_finds_it_without_the_password(url: str) -> None:
    [finding] = examine(url, None)
    assert (finding.verdict, finding.found) == ("ok", f"{url} answers")


def test_only_the_machine_that_asks_whether_it_lives_needs_no_password(url: str) -> None:
    assert requests.get(f"{url}/healthcheck", timeout=30).text == "OK"
    assert "flower_" in requests.get(f"{url}/metrics", auth=("me", "right"), timeout=30).text


def test_who_guesses_too_often_must_wait_unless_known(own_url: str) -> None:
    def asked(auth: tuple[str, str], cookies: Any = None) -> requests.Response:
        return requests.get(f"{own_url}/workers", auth=auth, cookies=cookies, timeout=30)

    known = asked(("me", "right")).cookies
    assert [asked(("me", f"guess {number}")).status_code for number in range(GUESSES)] == [401] * GUESSES
    refused = asked(("me", "right"))
    assert (refused.status_code, "Try again in" in refused.text) == (429, True)
    assert asked(("me", "right"), known).status_code == asked(("you", "other")).status_code == 200


def test_a_thousand_half_requests_do_not_take_its_files(own_url: str) -> None:
    with half_requests(own_url) as halves:
        assert requests.get(f"{own_url}/workers", auth=("me", "right"), timeout=30).status_code == 200
        assert is_cut(halves[0])


def test_buttons_that_change_things_are_off(url: str) -> None:
    reply = requests.post(f"{url}/api/task/revoke/any", auth=("me", "right"), timeout=30)
    assert reply.status_code == 403


@pytest.mark.parametrize(
    ("argument", "variables"),
    [("--port=0", {"FLOWER_PORT": "many"}), ("--port=0", {"FLOWER_READ_ONLY": "perhaps"}), ("--port=many", {})],
)
def test_a_wrong_option_ends_in_a_sentence(argument: str, variables: dict[str, str]) -> None:
    given = {"SWAPLINE_REDIS_URL": "redis://127.0.0.1:1/0", "FLOWER_BASIC_AUTH": "me:right", **variables}
    done = subprocess.run([SWAPLINE, "flower", argument], env=given, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr.startswith("Error: An option of Flower's or a variable FLOWER_… is wrong: ")
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize("auth", [{}, {"FLOWER_BASIC_AUTH": "me:"}, {"FLOWER_BASIC_AUTH": "me:right,you"}])
def test_it_does_not_start_open(tmp_path: Path, auth: dict[str, str]) -> None:
    with pytest.raises(ChildFailed, match=r"(?s)ended with code 1 .*FLOWER_BASIC_AUTH"):
        flower(tmp_path, free_port(), SWAPLINE_REDIS_URL="redis://127.0.0.1:1/0", **auth).start()
