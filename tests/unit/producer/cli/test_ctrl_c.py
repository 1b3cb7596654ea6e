"""Ctrl-C in the middle of a long piece of work."""

from __future__ import annotations

import signal

import pytest

from swapline_producer.terminal.progress import ctrl_c_checks


class Finalizer:
    """Something whose end Ctrl-C falls into."""

    def __del__(self) -> None:
        signal.raise_signal(signal.SIGINT)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # Python reports what it drops
def test_it_is_noticed_at_the_next_step_even_where_python_drops_it() -> None:
    with ctrl_c_checks() as check:
        check()
        Finalizer()  # ends here
        with pytest.raises(KeyboardInterrupt):
            check()


def test_it_is_raised_at_once_elsewhere_and_afterwards_all_is_as_before() -> None:
    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt), ctrl_c_checks():
        signal.raise_signal(signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is before


def test_who_ignores_it_goes_on_ignoring_it() -> None:
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with ctrl_c_checks() as check:
            signal.raise_signal(signal.SIGINT)
            check()
    finally:
        signal.signal(signal.SIGINT, before)
