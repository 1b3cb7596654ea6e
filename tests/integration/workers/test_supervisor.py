"""Supervised children are started, watched, restarted, and ended whatever happens to their owner."""

from __future__ import annotations

import dataclasses
import io
import json
import os
import select
import signal
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
from rich.console import Console

from support.redis.fixtures import waited_for
from swapline_workers.local.errors import ChildFailed
from swapline_workers.local.follow import LogFollower
from swapline_workers.local.ready import log_has, ready_file_written
from swapline_workers.local.supervision.child import Child, Program
from swapline_workers.local.supervision.death_pipe import DeathPipe
from swapline_workers.local.supervision.supervisor import Backoff, StopRequested, Supervisor

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

ENV = {"PATH": os.environ["PATH"]}


def shell(folder: Path, script: str, *, name: str = "child", wait_for: str = "up", **within: Any) -> Child:
    """A child that runs a shell script in `folder` and is ready once it has written `wait_for` (where it is given)."""
    return Child(
        Program(
            name=name,
            argv=("/bin/sh", "-c", script),
            env=ENV,
            cwd=folder,
            log=folder / f"{name}.log",
            ready=log_has(wait_for) if wait_for else None,
            **within,
        ),
    )


@pytest.fixture
def alive(tmp_path: Path) -> Iterator[int]:
    """The reading end of a pipe `alive` that children open for writing: it is at its end once all of them are gone."""
    os.mkfifo(tmp_path / "alive")
    end = os.open(tmp_path / "alive", os.O_RDONLY | os.O_NONBLOCK)
    os.set_blocking(end, True)
    yield end
    os.close(end)


def wait_until_all_are_gone(alive: int) -> bytes:
    return b"".join(iter(lambda: os.read(alive, 4096), b""))


LASTING = "echo up; exec sleep 1000"
STUBBORN = "exec 9>alive; trap '' TERM; echo up; while :; do sleep 1000; done"
"""Ignores SIGTERM, and has a child of its own (sleep) with the pipe open."""


def test_children_stop_in_reverse_order(tmp_path: Path) -> None:
    def noting(name: str) -> Child:
        return shell(
            tmp_path, f"trap 'echo {name} >>order; exit 0' TERM; echo up; while :; do sleep 0.02; done", name=name
        )

    with Supervisor() as supervisor:
        for name in ("first", "second", "third"):
            supervisor.start(noting(name))
    assert (tmp_path / "order").read_text().split() == ["third", "second", "first"]


def test_a_child_that_ignores_sigterm_is_killed_with_its_group(tmp_path: Path, alive: int) -> None:
    child = shell(tmp_path, STUBBORN, stop_within=0.2)
    child.start()
    child.stop()
    assert child.poll() == -signal.SIGKILL
    assert wait_until_all_are_gone(alive) == b""


def test_the_rest_of_a_childs_group_ends_with_it(tmp_path: Path, alive: int) -> None:
    child = shell(tmp_path, "sh -c 'exec 9>alive; echo up; sleep 1000' & until [ -e go ]; do sleep 0.01; done")
    child.start()
    (tmp_path / "go").touch()
    while child.poll() is None:
        pass
    assert wait_until_all_are_gone(alive) == b""


def test_a_child_that_ends_before_it_is_ready_is_reported_with_the_end_of_its_log(tmp_path: Path) -> None:
    with pytest.raises(
        ChildFailed, match=r"(?s)^child ended with code 3 before it was ready\. .*child\.log.*no such luck$"
    ):
        shell(tmp_path, "echo no such luck; exit 3").start()


def test_a_missing_program_is_reported_in_the_same_way(tmp_path: Path) -> None:
    child = Child(Program("child", ("/nowhere/program",), ENV, tmp_path, tmp_path / "child.log", ready=log_has("up")))
    with pytest.raises(ChildFailed, match=r"(?s)ended with code 127 .*/nowhere/program"):
        child.start()


def test_a_child_that_is_not_ready_in_time_is_reported_and_gone(tmp_path: Path, alive: int) -> None:
    program = Program(
        name="child",
        argv=("/bin/sh", "-c", "exec 9>alive; echo starting; sleep 1000"),
        env=ENV,
        cwd=tmp_path,
        log=tmp_path / "child.log",
        ready=log_has("up"),
        ready_within=0.3,
    )
    with pytest.raises(ChildFailed, match=r"(?s)not ready after 0\.3 s.*starting"):
        Child(program).start()
    assert wait_until_all_are_gone(alive) == b""


def test_the_ready_file_of_an_earlier_child_is_ignored(tmp_path: Path) -> None:
    ready_file = tmp_path / "ready.json"
    ready_file.write_text(json.dumps({"url": "http://127.0.0.1:1", "pid": 1}))
    child = shell(
        tmp_path, f"""sleep 0.1; printf '{{"url": "u", "pid": %d}}' $$ >new; mv new {ready_file}; exec sleep 1000"""
    )
    child.program = Program("child", child.program.argv, ENV, tmp_path, child.log, ready=ready_file_written(ready_file))
    child.start()
    try:
        assert json.loads(ready_file.read_text()) == {"url": "u", "pid": child.pid}
    finally:
        child.kill()


def test_a_child_that_ends_is_restarted_until_it_stays_up(tmp_path: Path) -> None:
    script = "echo x >>starts; [ $(wc -l <starts) -ge 4 ] && { echo stays; exec sleep 1000; }; echo up; exit 7"
    reports: list[str] = []
    with Supervisor(reports.append) as supervisor:
        supervisor.start(shell(tmp_path, script, wait_for=""), restart=Backoff(first_s=0.01))
        while "stays" not in (tmp_path / "child.log").read_text():
            supervisor.tick()
    assert (tmp_path / "starts").read_text().split() == ["x"] * 4
    assert reports[0].startswith("child ended with code 7; it starts again in 0.01 s.")


def test_a_failed_restart_is_repeated(tmp_path: Path) -> None:
    script = """
        echo x >>starts
        [ $(wc -l <starts) = 2 ] && exit 1
        echo up
        until [ -e go ] && [ $(wc -l <starts) = 1 ]; do sleep 0.01; done
    """
    reports: list[str] = []
    with Supervisor(reports.append) as supervisor:
        supervisor.start(shell(tmp_path, script), restart=Backoff(first_s=0.01))
        (tmp_path / "go").touch()
        while reports[-1:] != ["child runs again."]:
            supervisor.tick()
    assert "child ended with code 1 before it was ready; it starts again in 0.02 s" in reports[1]


def ends_after_go(folder: Path, name: str) -> Child:
    """A child that comes up once, until there is a file `go`, and never again."""
    return shell(
        folder, f"[ -e go ] || echo up; until [ -e go ]; do sleep 0.01; done; echo {name} ends; exit 7", name=name
    )


def test_a_vital_child_that_is_given_up_ends_everything_with_the_end_of_its_log(tmp_path: Path) -> None:
    reports: list[str] = []
    with Supervisor(reports.append) as supervisor:
        supervisor.start(ends_after_go(tmp_path, "vital"), restart=Backoff(first_s=0.01, max_restarts=3))
        (tmp_path / "go").touch()
        with pytest.raises(ChildFailed, match=r"(?s)^vital ended with code 7.* for the 4th time in a row.*vital ends$"):
            supervisor.run()
    assert len(reports) == 3


def test_everything_continues_without_a_child_that_is_given_up_and_not_vital(tmp_path: Path) -> None:
    reports: list[str] = []
    with Supervisor(reports.append) as supervisor:
        supervisor.start(ends_after_go(tmp_path, "page"), restart=Backoff(first_s=0.01, max_restarts=2, vital=False))
        supervisor.start(shell(tmp_path, LASTING, name="worker"), restart=Backoff())
        (tmp_path / "go").touch()
        while "everything else goes on without it" not in "".join(reports):
            supervisor.tick()
        supervisor.tick()
    assert (tmp_path / "page.log").read_text().count("ends") == 3


def test_a_slow_restart_delays_no_other(tmp_path: Path) -> None:
    reports: list[str] = []
    with Supervisor(reports.append) as supervisor:
        slow = shell(
            tmp_path,
            "[ -e fall ] && exec sleep 1000; echo up; until [ -e fall ]; do sleep 0.01; done; exit 1",
            name="slow",
        )
        quick = shell(tmp_path, "echo x >>starts; echo up; until [ -e go ]; do sleep 0.01; done; rm go", name="quick")
        supervisor.start_group([(slow, Backoff(first_s=0.01)), (quick, Backoff(first_s=0.01))])
        (tmp_path / "fall").touch()
        while "slow ended with code 1" not in "".join(reports):
            supervisor.tick()
        supervisor.tick()
        (tmp_path / "go").touch()
        while "quick runs again." not in reports:
            supervisor.tick()
    assert "slow runs again." not in reports


def test_a_child_with_a_liveness_problem_is_killed_and_restarted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("swapline_workers.local.supervision.supervisor._LIVENESS_INTERVAL_S", 0)
    child = shell(tmp_path, LASTING)
    reports: list[str] = []
    child.program = dataclasses.replace(child.program, liveness_problem=lambda _: None if reports else "it is stuck")
    with Supervisor(reports.append) as supervisor:
        supervisor.start(child, restart=Backoff(first_s=0.01))
        first = child.pid
        while "child runs again." not in reports:
            supervisor.tick()
    assert reports[0].startswith("child was killed, because it is stuck; it starts again in 0.01 s.")
    assert child.pid != first


def test_a_group_stops_at_once_and_the_last_group_first(tmp_path: Path) -> None:
    def noting(name: str, wait_for: str) -> Child:
        script = (
            f"trap 'echo {name} >>order; until [ -e {wait_for} ]; do sleep 0.01; done; touch {name}.gone; exit' TERM"
        )
        return shell(tmp_path, f"{script}; echo up; while :; do sleep 0.02; done", name=name)

    with Supervisor() as supervisor:
        supervisor.start(noting("server", "w1.gone"))
        # Each of the two ends once the other was asked: one after the other, they would wait for ever.
        supervisor.start_group([(noting("w1", "order"), None), (noting("w2", "w1.gone"), None)])
    assert (tmp_path / "order").read_text().split()[2] == "server"


def test_the_wait_before_a_restart_doubles_up_to_its_limit() -> None:
    assert [Backoff(first_s=1, max_s=5).delay(restarts) for restarts in (1, 2, 3, 4, 400)] == [1, 2, 4, 5, 5]


def test_the_end_of_a_child_without_restart_is_an_error_that_names_it(tmp_path: Path) -> None:
    with Supervisor() as supervisor:
        supervisor.start(shell(tmp_path, "echo up; until [ -e go ]; do sleep 0.01; done; exit 7"))
        (tmp_path / "go").touch()
        with pytest.raises(ChildFailed, match=r"^child ended with code 7\. Its log is .*child\.log"):
            supervisor.run()


def run_until_signalled(child: Child, number: int) -> None:
    with Supervisor() as supervisor:
        supervisor.start(child)
        os.kill(os.getpid(), number)
        supervisor.run()


@pytest.fixture
def default_signals() -> Iterator[None]:
    """Have signals act, also where the tests run under nohup (SIGHUP) or behind a script's `&` (SIGINT)."""
    interrupt, hangup = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGHUP)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGINT, interrupt)
    signal.signal(signal.SIGHUP, hangup)


@pytest.mark.usefixtures("default_signals")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_stops_everything_and_gives_the_shells_exit_code(tmp_path: Path, alive: int, number: int) -> None:
    child = shell(tmp_path, "exec 9>alive; echo up; exec sleep 1000")
    with pytest.raises(StopRequested) as stopped:
        run_until_signalled(child, number)
    assert stopped.value.code == 128 + number
    assert wait_until_all_are_gone(alive) == b""


def test_a_second_signal_kills_what_ignores_sigterm(tmp_path: Path, alive: int) -> None:
    answer_back = f"exec 9>alive; trap 'kill -TERM {os.getpid()}' TERM; echo up; while :; do sleep 0.02; done"
    child = shell(tmp_path, answer_back, stop_within=1000)
    with pytest.raises(StopRequested):
        run_until_signalled(child, signal.SIGTERM)
    assert child.poll() == -signal.SIGKILL
    assert wait_until_all_are_gone(alive) == b""


def test_a_second_signal_before_the_stop_begins_counts_and_raises_nothing(tmp_path: Path) -> None:
    child = shell(tmp_path, "trap : TERM; echo up; while :; do sleep 0.02; done", stop_within=1000, quick_stop_within=0)
    with Supervisor() as supervisor:
        supervisor.start(child)
        with pytest.raises(StopRequested):
            signal.raise_signal(signal.SIGTERM)
        signal.raise_signal(signal.SIGTERM)
    assert child.poll() == -signal.SIGKILL


@pytest.mark.parametrize(("quick_stop_within", "code"), [(30, 0), (0.1, -signal.SIGKILL)])
def test_after_a_second_signal_a_child_has_the_time_that_it_must_have(
    tmp_path: Path, quick_stop_within: float, code: int
) -> None:
    """A worker that gets another signal ends by itself once no paid call is under way."""
    again = f'if [ -n "$told" ]; then sleep 0.5; exit 0; fi; told=1; kill -TERM {os.getpid()}'
    child = shell(
        tmp_path, f"trap '{again}' TERM; echo up; while :; do sleep 0.02; done", quick_stop_within=quick_stop_within
    )
    with pytest.raises(StopRequested):
        run_until_signalled(child, signal.SIGTERM)
    assert child.poll() == code


def test_a_signal_that_was_ignored_stays_so(tmp_path: Path) -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with Supervisor() as supervisor:
            supervisor.start(shell(tmp_path, LASTING))
            os.kill(os.getpid(), signal.SIGHUP)
            supervisor.tick()
    finally:
        assert signal.signal(signal.SIGHUP, before) is signal.SIG_IGN


OWNER = """
import os, sys
from pathlib import Path
from swapline_workers.local.supervision.child import Child, Program
from swapline_workers.local.supervision.supervisor import Supervisor

folder = Path(sys.argv[1])
script = "exec 9>alive; echo up >&9; sleep 1000 & wait"
with Supervisor() as supervisor:
    for number in range(int(sys.argv[2])):
        program = Program(f"c{number}", ("/bin/sh", "-c", script), dict(os.environ), folder, folder / f"c{number}.log")
        supervisor.start(Child(program))
    supervisor.run()
"""


def owner_of(children: int, folder: Path) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-c", OWNER, str(folder), str(children)])


def test_nothing_is_left_when_the_supervisor_is_killed(tmp_path: Path, alive: int) -> None:
    with owner_of(3, tmp_path) as owner:
        received = b""
        while received.count(b"up") < 3:
            received += wait_for_some(alive)
        owner.kill()
    assert wait_until_all_are_gone(alive) == b""


def test_nothing_is_left_when_it_is_killed_while_it_starts_children(tmp_path: Path, alive: int) -> None:
    with owner_of(1_000_000, tmp_path) as owner:
        wait_for_some(alive)
        owner.kill()
    assert wait_until_all_are_gone(alive).replace(b"up\n", b"") == b""


def wait_for_some(alive: int) -> bytes:
    select.select([alive], [], [])
    return os.read(alive, 4096)


def test_a_killed_watchdog_is_replaced(tmp_path: Path, alive: int) -> None:
    death_pipe = DeathPipe()
    argv = ("/bin/sh", "-c", "exec 9>alive; echo up >&9; sleep 1000 & wait")
    with (tmp_path / "log").open("wb") as log:
        first = death_pipe.spawn(argv, env=ENV, cwd=tmp_path, output=log)
        wait_for_some(alive)
        assert death_pipe._watchdog is not None
        death_pipe._watchdog.kill()
        death_pipe._watchdog.wait()
        second = death_pipe.spawn(argv, env=ENV, cwd=tmp_path, output=log)
    death_pipe.close()
    assert [first.returncode, second.returncode] == [-signal.SIGTERM, -signal.SIGTERM]
    assert wait_until_all_are_gone(alive).replace(b"up\n", b"") == b""


FORKING = """
import os, sys
from pathlib import Path
from swapline_workers.local.supervision.child import Child, Program

folder = Path(sys.argv[1])
child = Child(Program("child", ("/bin/sleep", "1000"), {}, folder, folder / "child.log"))
child.start()
forked = os.fork()
if forked == 0:
    sys.exit(0)  # with everything that the end of an interpreter does
os.waitpid(forked, 0)
print(child.poll())
"""


def test_children_do_not_end_with_a_copy_that_was_forked_from_their_owner(tmp_path: Path) -> None:
    ended = subprocess.run([sys.executable, "-c", FORKING, str(tmp_path)], capture_output=True, text=True, check=True)
    assert ended.stdout == "None\n"


def test_a_large_log_is_rotated_and_followed_on(tmp_path: Path) -> None:
    shown = io.StringIO()
    log = tmp_path / "worker.log"
    with (
        LogFollower(Console(file=shown, width=80), {"worker": log}, max_log_bytes=10) as follower,
        log.open("ab") as writer,
    ):
        writer.write(b"a line that is long\n")
        writer.flush()
        rotated = tmp_path / "worker.log.1"
        waited_for(lambda: rotated.exists() and log.stat().st_size == follower._offsets["worker"] == 0)
        writer.write(b"short\nend\n")
        writer.flush()
    assert [line.split("│ ")[1] for line in shown.getvalue().splitlines()] == ["a line that is long", "short", "end"]
    assert (tmp_path / "worker.log.1").read_bytes() == b"a line that is long\n"


def test_log_lines_are_shown_behind_the_name_of_their_service(tmp_path: Path) -> None:
    shown = io.StringIO()
    logs = {name: tmp_path / f"{name}.log" for name in ("worker", "flower")}
    logs["worker"].write_text("an old line\n")
    with LogFollower(Console(file=shown, width=80), logs), logs["worker"].open("a") as log:
        log.write("[bold]one[/bold]\ntwo\nnot yet a li")
        logs["flower"].write_text("three\n")
    assert shown.getvalue().splitlines() == ["worker    │ [bold]one[/bold]", "worker    │ two", "flower    │ three"]
