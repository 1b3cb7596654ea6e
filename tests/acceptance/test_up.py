"""`swapline up`, from outside: everything on one host, by one command, and nothing of it remains."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import stat
import subprocess
import sys
import threading
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import requests

from support.redis.fixtures import waited_for
from swapline_producer.ledger import connect
from swapline_simulator.client import Control
from swapline_workers.local.ports import free_port
from swapline_workers.local.valkey.server import EmbeddedValkey

if TYPE_CHECKING:
    from collections.abc import Generator

SWAPLINE = str(Path(sys.executable).with_name("swapline"))


class Up:
    """One `swapline up`, and what it has printed so far."""

    def __init__(self, child: subprocess.Popen[str], folder: Path, data: Path) -> None:
        self.child = child
        self.folder = folder
        self.data = data
        self.lines: list[str] = []
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        assert self.child.stdout is not None
        for line in self.child.stdout:
            self.lines.append(line.rstrip("\n"))

    @property
    def log(self) -> str:
        return "\n".join(self.lines)

    def waited_for(self, words: str) -> None:
        waited_for(lambda: words in self.log or self.child.poll() is not None)
        assert words in self.log, self.log

    def ended(self) -> int:
        code = self.child.wait(90)
        self._reader.join(30)
        return code

    def pid_of(self, name: str) -> int:
        return int(json.loads((self.data / "run" / f"{name}.heartbeat").read_text())["pid"])

    def environment(self) -> dict[str, str]:
        """What a person gets who reads the file for other terminals."""
        lines = (self.data / "env").read_text().splitlines()
        return clean_environment() | {
            name: value.strip("'") for name, _, value in (line.partition("=") for line in lines)
        }


def clean_environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith(("SWAPLINE_", "FLOWER_"))}


PAGES = ("board", "gateway", "metrics", "flower")


def own_ports(*names: str) -> list[str]:
    """Options for free ports: others may use the usual ones."""
    return [f"--{name}-port={free_port()}" for name in names]


@contextmanager
def running(folder: Path, *options: str, **settings: str) -> Generator[Up]:
    """Run it with ports of its own."""
    ports = own_ports(*PAGES, "simulator")
    argv = [
        SWAPLINE,
        "up",
        *(port for port in ports if not any(port.split("=")[0] in one for one in options)),
        *options,
    ]
    with subprocess.Popen(
        argv,
        cwd=folder,
        env=clean_environment() | settings,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as child:
        data = folder / ".swapline"
        up = Up(child, folder, data / "simulated" if "--simulated" in options else data)
        try:
            yield up
        finally:
            child.kill()
            up.ended()
            waited_for(lambda: still_there(folder) == [])


def still_there(folder: Path) -> list[str]:
    """Commands that run in `folder`: everything that it starts does."""
    found = []
    for one in Path("/proc").glob("[0-9]*"):
        try:
            if one.name != str(os.getpid()) and (one / "cwd").readlink().is_relative_to(folder):
                found.append((one / "cmdline").read_text().replace("\0", " "))
        except OSError:
            continue  # it ended while we looked
    return found


def run(*options: str, folder: Path, **settings: str) -> subprocess.CompletedProcess[str]:
    argv = [SWAPLINE, *options]
    return subprocess.run(
        argv, cwd=folder, env=clean_environment() | settings, capture_output=True, text=True, timeout=90, check=False
    )


def enqueued_and_done(up: Up) -> str:
    control = re.findall(r"The vendor is simulated: (\S+)/_control/page", up.log)[0]
    Control(control).change(service_time="fixed:0.1", results="small")
    argv = [SWAPLINE, "enqueue", "https://pictures.example/me.jpg", "--gender", "female", "--filter-id", "12"]
    done = subprocess.run(
        [*argv, "--wait", "--timeout", "60", "--json"],
        env=up.environment(),
        cwd=up.folder,
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    state: str = json.loads(done.stdout)["state"]
    return state


def test_two_signals_cut_no_paid_call(tmp_path: Path) -> None:
    with running(tmp_path, "--simulated", "--workers", "1", "--without", "board,gateway,metrics,flower") as up:
        up.waited_for("From another terminal")
        control = Control(re.findall(r"The vendor is simulated: (\S+)/_control/page", up.log)[0])
        control.set_mode("submit_slow_accepted", amount=6)
        argv = [SWAPLINE, "enqueue", "https://pictures.example/me.jpg", "--gender", "female", "--filter-id", "12"]
        subprocess.run(argv, env=up.environment(), cwd=up.folder, check=True, timeout=90)
        waited_for(lambda: control.report(jobs=False).submissions == 1)
        up.child.send_signal(signal.SIGINT)
        up.waited_for("Stopping:")
        up.child.send_signal(signal.SIGINT)
        assert up.ended() == 0
    assert "RUNNING, then poll" in up.log
    assert not re.search("[1-9][0-9]* are in a paid call", up.log)


def test_one_command_runs_everything_and_stops_cleanly(tmp_path: Path) -> None:
    with running(tmp_path, "--simulated", "--workers", "2") as up:
        up.waited_for("Everything runs: 2 workers of 16 threads")
        up.waited_for("From another terminal")
        assert enqueued_and_done(up) == "SUCCEEDED"
        for name, url, user, file in re.findall(
            r"(\w+): (http\S+) \(.*\); user (\w+), password in (\S+)$", up.log, re.MULTILINE
        ):
            page = f"{url}/metrics" if name == "metrics" else url
            assert requests.get(page, timeout=30).status_code == 401
            password = (tmp_path / file).read_text().strip()
            assert requests.get(page, auth=(user, password), timeout=30).status_code == 200
            assert stat.S_IMODE((tmp_path / file).stat().st_mode) == 0o600
        second = run("up", "--simulated", *own_ports(*PAGES, "simulator"), folder=tmp_path)
        assert (second.returncode, second.stdout) == (1, "")
        assert re.fullmatch(
            r"swapline: The folder \S+ belongs to a server that is running \(pid \d+\); "
            r"stop that one, or choose another folder\.\n",
            second.stderr,
        )
        up.child.send_signal(signal.SIGTERM)
        assert up.ended() == 0
        assert still_there(tmp_path) == []
    assert up.lines[-1] == "up        │ Everything has stopped; all data are kept."
    assert "\x1b" not in up.log
    names = {line.split("│")[0].strip() for line in up.lines}
    assert names >= {"up", "valkey", "simulator", "worker-1", "worker-2"}
    assert "Traceback" not in up.log


def test_what_ends_is_restarted_and_nothing_outlives_a_kill(tmp_path: Path) -> None:
    with running(tmp_path, "--simulated", "--workers", "1", "--without", "board,gateway,metrics,flower") as up:
        up.waited_for("From another terminal")
        first = up.pid_of("worker-1")
        os.kill(first, signal.SIGKILL)
        up.waited_for("worker-1 was ended by SIGKILL; it starts again in 0.5 s.")
        os.kill(int((up.data / "redis/lock").read_text()), signal.SIGKILL)
        up.waited_for("valkey was ended by SIGKILL; it starts again in 0.5 s.")
        up.waited_for("valkey runs again.")
        up.waited_for("worker-1 runs again.")
        assert up.pid_of("worker-1") != first
        assert enqueued_and_done(up) == "SUCCEEDED"
        up.child.kill()
        up.child.wait()
        # A new one waits until the watchdog has ended what the old one left, and has its data.
        with running(tmp_path, "--simulated", "--workers", "1", "--without", "board,gateway,metrics,flower") as again:
            again.waited_for("From another terminal")
            listed = run("jobs", "list", "--json", folder=tmp_path, **again.environment())
            assert '"SUCCEEDED"' in listed.stdout
            again.child.send_signal(signal.SIGINT)
            assert again.ended() == 0
            assert still_there(tmp_path) == []


def test_another_server_replaces_the_embedded_one(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    pages = "--without=board,gateway,metrics,flower"
    with EmbeddedValkey(tmp_path_factory.mktemp("other"), appendfsync="no") as server:
        refused = run("up", "--simulated", "--redis-url", server.url.replace("//:", "//:x"), pages, folder=tmp_path)
        assert refused.returncode == 1
        assert "The Redis server refuses us: " in refused.stderr
        settings = {"SWAPLINE_WEBHOOK_ALLOW_PRIVATE": "true"}
        mine = f"--redis-url={server.url}"
        with running(tmp_path, "--simulated", "--workers=1", pages, mine, **settings) as up:
            up.waited_for("From another terminal")
            assert {**settings, "SWAPLINE_REDIS_URL": server.url}.items() <= up.environment().items()
            assert not (up.data / "redis").exists()
            assert enqueued_and_done(up) == "SUCCEEDED"
            up.child.send_signal(signal.SIGTERM)
            assert up.ended() == 0
        # What was tried out on it is not for a real vendor.
        real = run("up", "--workers=1", pages, mine, folder=tmp_path, **REAL)
        assert (real.returncode, "test jobs would be sent there, and paid" in real.stderr) == (2, True)
        assert still_there(tmp_path) == []


NO_PAGES = "--without=board,gateway,metrics,flower"

REAL = {
    "SWAPLINE_API_BASE_URL": "http://127.0.0.1:1",
    "SWAPLINE_API_KEY": "a-key",
    "SWAPLINE_API_KEY_HEADER": "X-API-Key",
}
"""A vendor that is away, and no simulator."""


def test_simulated_and_real_share_neither_server_nor_store(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    pages = "--without=board,gateway,metrics,flower"
    with EmbeddedValkey(tmp_path_factory.mktemp("other"), appendfsync="no") as server:
        mine = {"SWAPLINE_REDIS_URL": server.url, "SWAPLINE_STORAGE_URL": (tmp_path / "mine").as_uri(), **REAL}
        with running(tmp_path, "--simulated", "--workers=1", pages, **mine) as tried:
            tried.waited_for("From another terminal")
            assert enqueued_and_done(tried) == "SUCCEEDED"
            tried.child.send_signal(signal.SIGTERM)
            assert tried.ended() == 0
        with closing(connect(server.url)) as client:
            assert list(client.scan_iter()) == []
    assert not (tmp_path / "mine").exists()
    assert {path.name for path in (tmp_path / ".swapline").iterdir()} == {"simulated"}
    with running(tmp_path, "--workers=1", pages, **REAL) as real:
        real.waited_for("From another terminal")
        assert json.loads(run("jobs", "list", "--json", folder=tmp_path, **real.environment()).stdout) == []
        [account] = json.loads(run("accounts", "--json", folder=tmp_path, **real.environment()).stdout)
        assert (account["address"], account["simulated"]) == ("http://127.0.0.1:1", False)
        real.child.send_signal(signal.SIGTERM)
        assert real.ended() == 0


def printed_command(up: Up) -> str:
    """The command for another terminal, as it is printed."""
    up.waited_for("From another terminal: ")
    [line] = [line for line in up.lines if "From another terminal: " in line]
    return line.partition("From another terminal: ")[2]


def test_the_printed_command_runs_as_printed_and_a_mode_is_the_simulators(tmp_path: Path) -> None:
    (folder := tmp_path / "it's a folder").mkdir()
    with running(folder, "--simulated", "--workers=1", NO_PAGES, "--mode", "result_failed") as up:
        argv = ["/bin/sh", "-c", printed_command(up)]
        bare = {"PATH": "/usr/bin:/bin", "HOME": str(tmp_path)}
        done = subprocess.run(argv, cwd="/", env=bare, capture_output=True, text=True, check=False, timeout=90)
        assert (done.returncode, done.stderr) == (1, "")
        assert "VENDOR_FAILED" in done.stdout
        up.child.send_signal(signal.SIGTERM)
        assert up.ended() == 0
    with running(folder, "--workers=1", NO_PAGES, **REAL) as up:
        argv = ["/bin/sh", "-c", printed_command(up)]
        done = subprocess.run(argv, cwd="/", env=bare, capture_output=True, text=True, check=False, timeout=90)
        assert (done.returncode, done.stdout.startswith("0 of 3 slots in use")) == (0, True)
        up.child.send_signal(signal.SIGTERM)
        assert up.ended() == 0


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--mode", "status_504"], "--mode is the simulated vendor's: it needs --simulated."),
        (["--simulated", "--mode", "status_505"], "--mode: there is no mode status_505; the nearest are status_50"),
    ],
)
def test_a_mode_that_cannot_be_is_refused_before_anything_starts(
    tmp_path: Path, options: list[str], sentence: str
) -> None:
    refused = run("up", *options, folder=tmp_path)
    assert (refused.returncode, sentence in refused.stderr) == (2, True)
    assert not (tmp_path / ".swapline").exists()


def test_missing_settings_are_reported_before_anything_starts(tmp_path: Path) -> None:
    refused = run("up", folder=tmp_path)
    assert refused.returncode == 2
    assert refused.stderr.splitlines()[-1] == "To try everything without a vendor: swapline up --simulated"
    assert not (tmp_path / ".swapline").exists()


def test_a_busy_port_is_reported_before_anything_starts(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        refused = run("up", "--simulated", "--simulator-port", port, *own_ports(*PAGES), folder=tmp_path)
    assert (refused.returncode, refused.stdout) == (1, "")
    assert refused.stderr == (
        f"swapline: Port {port}, for simulator, is in use by another program; choose another with --simulator-port.\n"
    )


@pytest.mark.parametrize("wrong", [["--without", "worker"], ["--workers", "0"], ["--flower-port", "0"]])
def test_a_wrong_option_is_usage(tmp_path: Path, wrong: list[str]) -> None:
    assert run("up", *wrong, folder=tmp_path).returncode == 2


def test_a_part_that_cannot_start_is_named_with_the_end_of_its_log(tmp_path: Path) -> None:
    data = tmp_path / ".swapline" / "simulated" / "redis"
    data.mkdir(parents=True)
    (data / "appendonlydir").write_text("no folder")
    refused = run("up", "--simulated", *own_ports(*PAGES, "simulator"), folder=tmp_path)
    assert refused.returncode == 1
    assert refused.stderr.startswith("swapline: valkey ended with code 1 before it was ready. Its log is ")
    assert "appendonlydir" in refused.stderr
