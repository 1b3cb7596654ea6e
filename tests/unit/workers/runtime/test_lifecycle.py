"""Parts start in order, drain and stop in the reverse order, each once."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from swapline_workers.runtime.lifecycle import Parts


@dataclass
class Recorded:
    """A part that writes down what it is asked; `fails` names the method that raises."""

    name: str
    calls: list[str]
    fails: str = ""

    def _call(self, method: str) -> None:
        self.calls.append(f"{method} {self.name}")
        if method == self.fails:
            raise ValueError(self.name)

    def start(self) -> None:
        self._call("start")

    def drain(self) -> None:
        self._call("drain")

    def stop(self) -> None:
        self._call("stop")


def parts(calls: list[str], **fails: str) -> Parts:
    return Parts([Recorded(name, calls, fails.get(name, "")) for name in ("a", "b", "c")])


def test_parts_stop_in_the_reverse_of_the_order_in_which_they_started() -> None:
    calls: list[str] = []
    running = parts(calls)
    running.start()
    running.drain()
    running.drain()  # a second signal
    running.stop()
    running.stop()
    assert calls == [f"start {name}" for name in "abc"] + [f"drain {name}" for name in "cba"] + [
        f"stop {name}" for name in "cba"
    ]


def test_after_a_failed_start_only_what_was_started_stops() -> None:
    calls: list[str] = []
    running = parts(calls, b="start")
    with pytest.raises(ValueError, match="b"):
        running.start()
    running.stop()
    assert calls == ["start a", "start b", "drain b", "drain a", "stop b", "stop a"]


def test_a_part_that_does_not_stop_keeps_no_other_from_stopping(caplog: pytest.LogCaptureFixture) -> None:
    calls: list[str] = []
    running = parts(calls, c="stop")
    running.start()
    running.stop()
    assert calls[-3:] == ["stop c", "stop b", "stop a"]
    assert "part of the worker did not stop: Recorded" in caplog.text
