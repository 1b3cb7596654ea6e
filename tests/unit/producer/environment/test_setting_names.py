"""A misspelt setting is a warning of every command, and nothing else is."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from swapline_gateway.settings import GatewaySettings
from swapline_producer.environment.setting_names import SETTINGS, misspelt
from swapline_workers.board.settings import BoardSettings
from swapline_workers.settings import WorkerSettings

if TYPE_CHECKING:
    from collections.abc import Iterable

SWAPLINE = str(Path(sys.executable).with_name("swapline"))


def test_the_names_are_those_of_all_parts() -> None:
    fields: Iterable[str] = {
        *WorkerSettings.model_fields,
        *BoardSettings.model_fields,
        *GatewaySettings.model_fields,
    }
    assert {name.upper() for name in fields} == SETTINGS


def test_only_what_no_part_reads_is_misspelt() -> None:
    good = {f"SWAPLINE_{name}": "x" for name in SETTINGS} | {f"SWAPLINE_{name}_FILE": "x" for name in SETTINGS}
    good |= {"swapline_api_key": "x", "SWAPLINE_TEST_EVERYTHING": "1", "_SWAPLINE_COMPLETE": "x", "OTHER": "x"}
    good |= {"SWAPLINE_METRICS_PORT": "tcp://10.0.0.1:9810", "SWAPLINE_REDIS_SERVICE_HOST": "10.0.0.1"}
    assert misspelt(good) == []
    found = misspelt({"swapline_redis_ulr": "x", "SWAPLINE_COLOUR_OF_THE_SKY": "x", "SWAPLINE_API_KYE_FILE": "x"})
    assert [str(one) for one in found] == [
        "SWAPLINE_API_KYE_FILE is set, and there is no such setting; did you mean SWAPLINE_API_KEY_FILE?",
        "SWAPLINE_COLOUR_OF_THE_SKY is set, and there is no such setting; docs/settings.md has all there are.",
        "SWAPLINE_REDIS_ULR is set, and there is no such setting; did you mean SWAPLINE_REDIS_URL?",
    ]


@pytest.mark.parametrize("argv", [("webhooks", "new-secret"), ("simulator", "--list-modes"), ("completion", "bash")])
def test_every_command_warns_in_one_line_on_standard_error(tmp_path: Path, argv: tuple[str, ...]) -> None:
    (tmp_path / ".env").write_text("SWAPLINE_STORAGE_ULR=file:///x\n")
    command = [SWAPLINE, *argv]
    done = subprocess.run(command, cwd=tmp_path, env={"SWAPLINE_REDDIS_URL": "x"}, capture_output=True, check=False)
    clean = subprocess.run(command, cwd=tmp_path.parent, env={}, capture_output=True, check=False)
    [line] = done.stderr.decode().splitlines()
    assert line.startswith("swapline: warning: SWAPLINE_REDDIS_URL is set")
    assert "did you mean SWAPLINE_STORAGE_URL?" in line
    assert (done.returncode, clean.returncode, clean.stderr) == (0, 0, b"")


def test_json_stays_json(tmp_path: Path) -> None:
    environment = {"SWAPLINE_API_KYE": "x", "SWAPLINE_REDIS_URL": "redis://127.0.0.1:1"}
    argv = [SWAPLINE, "alive", "--json", str(tmp_path / "none")]
    done = subprocess.run(argv, cwd=tmp_path, env=environment, capture_output=True, check=False)
    assert b"did you mean SWAPLINE_API_KEY?" in done.stderr
    json.loads(done.stdout)
