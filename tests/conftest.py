"""What all tests share. Unit tests and those of the architecture open no socket."""

from __future__ import annotations

import gc
import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, settings
from pytest_socket import disable_socket, enable_socket

if TYPE_CHECKING:
    from collections.abc import Generator

HERE = Path(__file__).parent

# The same examples each time, and no limit on speed: a machine may be busy, and the first text of a fresh checkout
# builds a table of all of Unicode. `--hypothesis-seed` looks elsewhere.
settings.register_profile(
    "swapline",
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("swapline")


def pytest_collection() -> None:
    """Look for no garbage while all is loaded: an eighth of the time."""
    gc.disable()


def pytest_collection_finish() -> None:
    """Leave ten thousand tests and their modules out of each search for garbage: a tenth of a unit test's time."""
    gc.freeze()
    gc.enable()


@pytest.fixture(autouse=True)
def _world_is_closed(request: pytest.FixtureRequest) -> Generator[None]:
    """No sockets in unit tests."""
    if (HERE / "unit") in request.path.parents:
        disable_socket()
        yield
        enable_socket()
    else:
        yield


@pytest.fixture(scope="session")
def _empty_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("empty")


@pytest.fixture(autouse=True)
def _no_ambient_settings(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, _empty_folder: Path
) -> Generator[None]:
    """No test sees the settings of the person who runs it, neither their environment nor their `.env`.

    Tests with a folder run in it. The others share one, since making one takes a third of a small test's time.
    """
    for name in [name for name in os.environ if name.startswith("SWAPLINE_")]:
        monkeypatch.delenv(name)
    has_folder = "tmp_path" in request.fixturenames
    monkeypatch.chdir(request.getfixturevalue("tmp_path") if has_folder else _empty_folder)
    yield
    assert not list(_empty_folder.iterdir()), "a test that writes into its folder takes `tmp_path`"
