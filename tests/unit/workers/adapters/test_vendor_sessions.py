"""The sessions of the vendor client: one pair a thread, no second try, nothing from the environment."""

from __future__ import annotations

import os
import threading

import pytest

from swapline_workers.adapters.http.deadline import DeadlineAdapter
from swapline_workers.adapters.http.sessions import FreshAdapter, Sessions


def test_a_thread_keeps_its_sessions_and_another_has_its_own() -> None:
    sessions = Sessions({"X-Key": "k"})
    mine = sessions.here()
    theirs = []
    thread = threading.Thread(target=lambda: theirs.append(sessions.here()))
    thread.start()
    thread.join()
    assert sessions.here() is mine
    assert theirs[0].submitting is not mine.submitting
    assert theirs[0].looking is not mine.looking
    sessions.close()


def test_a_fork_does_not_inherit_them(monkeypatch: pytest.MonkeyPatch) -> None:
    sessions = Sessions({})
    mine = sessions.here()
    monkeypatch.setattr(os, "getpid", lambda: -1)
    assert sessions.here() is not mine


@pytest.mark.parametrize("scheme", ["http://x.test", "https://x.test"])
def test_no_session_tries_again_or_reads_the_environment(scheme: str) -> None:
    pair = Sessions({"X-Key": "k"}).here()
    for session in pair:
        assert not session.trust_env
        assert session.verify is True
        assert session.headers["X-Key"] == "k"
        adapter = session.get_adapter(scheme)
        assert isinstance(adapter, DeadlineAdapter)
        retries = adapter.max_retries
        assert (retries.total, retries.read, retries.status, retries.respect_retry_after_header) == (
            0,
            False,
            None,
            True,
        )
    assert isinstance(pair.submitting.get_adapter(scheme), FreshAdapter)
    assert type(pair.looking.get_adapter(scheme)) is DeadlineAdapter


def test_certificates_of_ones_own_may_be_trusted() -> None:
    assert [session.verify for session in Sessions({}, "/etc/ca.pem").here()] == ["/etc/ca.pem"] * 2
