"""What all tests share. Unit tests and those of the architecture open no socket."""

from __future__ import annotations

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


@pytest.fixture(autouse=True)
def _world_is_closed(request: pytest.FixtureRequest) -> Generator[None]:
    """No sockets in unit tests."""
    if (HERE / "unit") in request.path.parents:
        disable_socket()
        yield
        enable_socket()
    else:
        yield


@pytest.fixture(autouse=True)
def _no_ambient_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No test sees the settings of the person who runs it, neither their environment nor their `.env`."""
    for name in [name for name in os.environ if name.startswith("SWAPLINE_")]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
