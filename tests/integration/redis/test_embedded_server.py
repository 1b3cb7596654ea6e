"""The embedded server: private, durable, alone in its folder, and never orphaned."""

from __future__ import annotations

import fcntl
import json
import signal
import socket
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from swapline_workers.local.errors import ChildFailed, DataDamaged, FolderInUse, LocalError, PortTaken
from swapline_workers.local.ports import free_port
from swapline_workers.local.valkey import server as valkey
from swapline_workers.local.valkey.config import valkey_config
from swapline_workers.local.valkey.server import EmbeddedValkey

if TYPE_CHECKING:
    from collections.abc import Iterator

SWAPLINE = str(Path(sys.executable).with_name("swapline"))


@pytest.fixture
def server(tmp_path: Path) -> Iterator[EmbeddedValkey]:
    with EmbeddedValkey(tmp_path / "valkey") as server:
        yield server


def connect(url: str) -> redis.Redis:
    return redis.Redis.from_url(url, decode_responses=True)


def test_it_answers_at_its_url(server: EmbeddedValkey) -> None:
    with connect(server.url) as client:
        assert client.info("server")["process_id"] == server.pid


def test_it_answers_nobody_without_the_password(server: EmbeddedValkey) -> None:
    with (
        redis.Redis(port=server.port, retry=Retry(NoBackoff(), 0)) as stranger,
        pytest.raises(redis.AuthenticationError),
    ):
        stranger.ping()


def test_it_listens_on_loopback_alone(server: EmbeddedValkey) -> None:
    with connect(server.url) as client:
        assert client.config_get("bind", "protected-mode") == {"bind": "127.0.0.1", "protected-mode": "yes"}


def test_it_keeps_every_write_and_evicts_nothing(server: EmbeddedValkey) -> None:
    with connect(server.url) as client:
        found = client.config_get("appendonly", "appendfsync", "maxmemory-policy", "save")
    assert found == {"appendonly": "yes", "appendfsync": "always", "maxmemory-policy": "noeviction", "save": ""}


def test_data_survive_a_kill_at_the_same_url(server: EmbeddedValkey) -> None:
    url = server.url
    with connect(url) as client:
        client.set("job", "kept")
    server.kill()
    assert server.poll() == -signal.SIGKILL
    server.restart()
    with connect(url) as client:
        assert (server.url, client.get("job")) == (url, "kept")


def test_data_survive_a_clean_stop_and_the_next_server_in_the_folder(server: EmbeddedValkey) -> None:
    with connect(server.url) as client:
        client.set("job", "kept")
    server.stop()
    assert server.poll() == 0
    with EmbeddedValkey(server.folder) as next_server, connect(next_server.url) as client:
        assert (next_server.url, client.get("job")) == (server.url, "kept")


def test_a_server_whose_last_port_is_taken_moves_to_another(server: EmbeddedValkey) -> None:
    server.stop()
    with (
        socket.create_server(("127.0.0.1", server.port)),
        EmbeddedValkey(server.folder) as next_server,
        connect(next_server.url) as client,
    ):
        assert client.ping()


def test_a_second_server_is_refused_the_folder_in_one_sentence(server: EmbeddedValkey) -> None:
    with pytest.raises(FolderInUse, match=rf"belongs to a server that is running \(pid {server.pid}\)"):
        EmbeddedValkey(server.folder).start()


def test_the_refused_server_does_not_disturb_the_first(server: EmbeddedValkey) -> None:
    with pytest.raises(FolderInUse):
        EmbeddedValkey(server.folder, password="another").start()
    server.restart()
    with connect(server.url) as client:
        assert client.ping()


def test_eight_servers_start_at_once(tmp_path: Path) -> None:
    servers = [EmbeddedValkey(tmp_path / str(number)) for number in range(8)]
    try:
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(EmbeddedValkey.start, servers))
        reached = {connect(server.url).info("server")["process_id"] for server in servers}
        assert reached == {server.pid for server in servers}
    finally:
        for server in servers:
            server.kill()


def test_the_password_is_in_private_files_only(server: EmbeddedValkey) -> None:
    password = (server.folder / "password").read_text().strip()
    modes = {name: (server.folder / name).stat().st_mode & 0o777 for name in ("", "password", "valkey.conf")}
    assert modes == {"": 0o700, "password": 0o600, "valkey.conf": 0o600}
    seen = subprocess.run(
        ["ps", "-ww", "-o", "args=", "-p", str(server.pid)], capture_output=True, text=True, check=True
    )
    assert "valkey-server" in seen.stdout
    assert password not in seen.stdout + server.log.read_text()


def refuses_strangers(server: EmbeddedValkey) -> bool:
    with redis.Redis(port=server.port, retry=Retry(NoBackoff(), 0)) as stranger:
        try:
            return not stranger.ping()
        except redis.AuthenticationError:
            return True


@pytest.mark.parametrize("left", ["", "\n", "  "])
def test_an_empty_password_file_is_not_an_open_server(tmp_path: Path, left: str) -> None:
    (tmp_path / "password").write_text(left)
    with EmbeddedValkey(tmp_path, password="") as server:
        assert refuses_strangers(server)
        assert len((tmp_path / "password").read_text().strip()) == 32


def test_a_first_start_on_a_full_disk_reports_it_and_the_next_one_is_private(tmp_path: Path) -> None:
    full = ["sh", "-c", 'ulimit -f 0 && exec "$@"', "sh", SWAPLINE, "redis", "--dir", str(tmp_path / "valkey")]
    done = subprocess.run(full, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout) == (1, "")
    assert f"{tmp_path / 'valkey' / 'password'} cannot be written: " in done.stderr
    assert "Traceback" not in done.stderr
    assert [file.name for file in (tmp_path / "valkey").iterdir()] == ["lock"]
    with EmbeddedValkey(tmp_path / "valkey") as server:
        assert refuses_strangers(server)


def test_no_configuration_is_written_that_opens_the_server() -> None:
    with pytest.raises(ValueError, match="admits every client"):
        valkey_config(port=1, password="", appendfsync="always", unix_socket=None)


@pytest.mark.parametrize("password", ['with "quotes" and \\ and spaces', "käse/@:#?%20", "line\nbreak"])
def test_any_password_may_be_given(tmp_path: Path, password: str) -> None:
    with EmbeddedValkey(tmp_path, password=password) as server, connect(server.url) as client:
        assert client.ping()


def test_a_port_that_was_asked_for_and_is_taken_is_named(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(PortTaken, match=f"Port {port} "):
            EmbeddedValkey(tmp_path, port=port).start()


def test_a_lost_race_for_a_free_port_is_run_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as faster:
        chances = iter([faster.getsockname()[1], free_port()])
        monkeypatch.setattr(valkey, "free_port", lambda: next(chances))
        with EmbeddedValkey(tmp_path) as server, connect(server.url) as client:
            assert client.ping()


def test_another_server_with_the_same_password_is_not_taken_for_ours(tmp_path: Path) -> None:
    with EmbeddedValkey(tmp_path / "other", password="same") as other:
        ours = EmbeddedValkey(tmp_path / "ours", password="same", port=other.port)
        with pytest.raises(PortTaken):
            ours.start()
        assert ours.poll() is not None


def test_it_listens_on_a_unix_socket_where_asked(tmp_path: Path) -> None:
    path = tmp_path / "s"
    with (
        EmbeddedValkey(tmp_path / "valkey", unix_socket=path, password="pw") as server,
        redis.Redis(unix_socket_path=str(path), password="pw") as client,
    ):
        assert client.info("server")["process_id"] == server.pid


def test_a_socket_path_that_no_system_takes_is_refused(tmp_path: Path) -> None:
    with pytest.raises(LocalError, match="too long"):
        EmbeddedValkey(tmp_path, unix_socket=tmp_path / ("s" * 120)).start()


def test_a_server_that_cannot_read_its_data_fails_with_the_end_of_its_log(server: EmbeddedValkey) -> None:
    server.stop()
    (server.folder / "appendonlydir" / "appendonly.aof.manifest").write_text("this is no manifest\n")
    with pytest.raises(ChildFailed, match=r"(?s)valkey ended with code 1 before it was ready\. .*manifest"):
        server.start()


def test_the_server_goes_when_its_owner_is_killed(tmp_path: Path) -> None:
    owner = subprocess.Popen(
        [sys.executable, "-c", OWNER, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    with owner:
        assert owner.stdout is not None
        assert owner.stdout.readline() == "up\n"
        owner.kill()
    with (tmp_path / "lock").open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # blocks until the server, which holds it, is gone
        left = lock.read().strip()
    seen = subprocess.run(["ps", "-o", "stat=", "-p", left], capture_output=True, text=True, check=False).stdout
    assert seen[:1] in {"", "Z"}  # gone, or waiting for init to take note of it


OWNER = """
import sys
from swapline_workers.local.valkey.server import EmbeddedValkey
EmbeddedValkey(sys.argv[1]).start()
print("up", flush=True)
sys.stdin.read()
"""


def test_swapline_redis_prints_its_url_and_stops_cleanly_on_ctrl_c(tmp_path: Path) -> None:
    command = [SWAPLINE, "redis", "--dir", str(tmp_path / "data"), "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=tmp_path) as running:
        assert running.stdout is not None
        facts = json.loads(running.stdout.readline())
        with connect(facts["url"]) as client:
            client.set("job", "kept")
        running.send_signal(signal.SIGINT)
        _, error_text = running.communicate(timeout=30)
    assert (running.returncode, error_text) == (0, "swapline: the embedded server has stopped; its data are kept.\n")
    with EmbeddedValkey(tmp_path / "data") as server, connect(server.url) as client:
        assert client.get("job") == "kept"


def test_swapline_redis_says_in_one_sentence_what_is_wrong(server: EmbeddedValkey) -> None:
    command = [SWAPLINE, "redis", "--dir", str(server.folder)]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stdout, ended.stderr.count("\n")) == (1, "", 1)
    assert ended.stderr.startswith(f"swapline: The folder {server.folder} belongs to a server that is running")


TORN = b"*3\r\n$3\r\nSET\r\n$1\r\nz\r\n$9\r\nhalf"
"""A write of which the disk has the first half."""


def written(folder: Path) -> Path:
    """Fill a server's file with writes, the last a transaction; return the file."""
    with EmbeddedValkey(folder) as server, connect(server.url) as client:
        for number in range(20):
            client.set(f"k{number}", "*3\r\n$3\r\nSET\r\n" * number)
        client.eval("for i = 1, 9 do redis.call('SET', KEYS[1] .. i, i) end", 1, "t")
    return folder / "appendonlydir" / "appendonly.aof.1.incr.aof"


def repaired(folder: Path) -> tuple[dict[str, object], str]:
    """Run the command; return what it prints."""
    argv = [SWAPLINE, "redis", "--repair", "--json", "--dir", str(folder)]
    done = subprocess.run(argv, capture_output=True, text=True, check=True)
    return json.loads(done.stdout), done.stderr


@pytest.mark.parametrize(
    "tail",
    [b"\0", bytes(4096), TORN + bytes(4096), b"*1\r\n$5\r\nMULTI\r\n" + TORN[:-4] + b"123456789\r\n" + bytes(7)],
    ids=["one zero", "zeros", "a torn write and zeros", "a torn transaction and zeros"],
)
def test_a_tail_of_a_power_cut_is_cut_off_and_a_copy_kept(tmp_path: Path, tail: bytes) -> None:
    file = written(tmp_path)
    whole = file.read_bytes()
    file.write_bytes(whole + tail)
    with pytest.raises(DataDamaged, match=r"append only file appendonly\.aof\.1\.incr\.aof\): .* --repair --dir \S+`"):
        EmbeddedValkey(tmp_path).start()
    done, warned = repaired(tmp_path)
    assert (done["kept"], done["cut"], done["later_writes"], warned) == (len(whole), len(tail), False, "")
    copy = Path(str(done["copy"]))
    assert (copy.read_bytes(), copy.stat().st_mode & 0o777) == (whole + tail, 0o600)
    with EmbeddedValkey(tmp_path) as server, connect(server.url) as client:
        assert (client.dbsize(), client.get("t9")) == (29, "9")


def test_zeros_over_the_last_writes_cost_those_writes_only(tmp_path: Path) -> None:
    file = written(tmp_path)
    whole = file.read_bytes()
    start = whole.index(b"*1\r\n$5\r\nMULTI") + 40
    file.write_bytes(whole[:start] + bytes(len(whole) - start))
    repaired(tmp_path)
    with EmbeddedValkey(tmp_path) as server, connect(server.url) as client:
        assert client.dbsize() == 20


def test_whole_writes_behind_the_damage_are_warned_of(tmp_path: Path) -> None:
    file = written(tmp_path)
    whole = bytearray(file.read_bytes())
    middle = whole.index(b"\r\nk5\r\n")
    whole[middle : middle + 4] = bytes(4)
    file.write_bytes(whole)
    done, warned = repaired(tmp_path)
    assert (done["later_writes"], "swapline after-restore" in warned) == (True, True)
    with EmbeddedValkey(tmp_path) as server, connect(server.url) as client:
        assert client.dbsize() == 5


def test_whole_data_are_left_alone_and_none_are_reported(server: EmbeddedValkey, tmp_path: Path) -> None:
    def repair(folder: Path) -> tuple[int, str]:
        argv = [SWAPLINE, "redis", "--repair", "--dir", str(folder)]
        done = subprocess.run(argv, capture_output=True, text=True, check=False)
        return done.returncode, done.stdout + done.stderr

    code, refused = repair(server.folder)
    assert (code, "belongs to a server that is running" in refused) == (1, True)
    server.stop()
    before = sorted((path, path.read_bytes()) for path in server.folder.rglob("*.aof"))
    assert repair(server.folder) == (0, f"The data in {server.folder} are whole; nothing was changed.\n")
    assert sorted((path, path.read_bytes()) for path in server.folder.rglob("*.aof")) == before
    code, nothing = repair(tmp_path / "nowhere")
    assert (code, nothing.startswith("swapline: There are no data of an embedded server in")) == (1, True)


def test_up_names_the_repair_and_goes_on_after_it(tmp_path: Path) -> None:
    file = written(tmp_path / ".swapline" / "simulated" / "redis")
    with file.open("ab") as damaged:
        damaged.write(bytes(512))
    argv = [SWAPLINE, "up", "--simulated", "--without", "board,gateway,metrics,flower"]
    argv += ["--simulator-port", str(free_port())]
    ended = subprocess.run(argv, capture_output=True, text=True, check=False, cwd=tmp_path, timeout=120)
    assert ended.returncode == 1
    assert "swapline redis --repair --dir .swapline/simulated/redis" in ended.stdout + ended.stderr
