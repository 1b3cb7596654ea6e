"""A `.env` that is not UTF-8 is one sentence from every command that reads settings."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

import pytest

from support.programs.commands import COMMANDS
from support.programs.installation import CELERY, SWAPLINE
from support.programs.processes import run

if TYPE_CHECKING:
    import subprocess
    from pathlib import Path

SENTENCE = ".env is not UTF-8 (line 1, byte 0xe9); save it as UTF-8."

READ_NO_SETTINGS = {
    "alive": "a probe must not fail of a setting",
    "completion": "it prints a script for a shell",
    "demo": "its settings are its own",
    "redis": "it is an embedded server",
    "simulator": "it is the vendor",
    "webhooks new-secret": "it prints a secret",
}
ARGUMENTS = {
    "accounts drain": ["a"],
    "accounts resume": ["a"],
    "batch cancel": ["spring"],
    "batch run": ["rows.jsonl"],
    "batch show": ["spring"],
    "board": ["--port", "0"],
    "credits reset": ["acme"],
    "credits set": ["acme", "5"],
    "enqueue": ["https://pictures.example/me.jpg", "--gender", "0", "--filter-id", "1"],
    "gateway": ["--port", "0"],
    "jobs cancel": ["a"],
    "jobs download": ["a"],
    "jobs events": ["a"],
    "jobs purge": ["--job", "a", "--dry-run"],
    "jobs replay": ["a", "--from", "poll"],
    "jobs resolve": ["a", "--vendor-job-id", "b"],
    "jobs show": ["a"],
    "jobs wait": ["a"],
    "keys revoke": ["key_a"],
    "limits forget": ["poll_rate"],
    "limits set": ["poll_rate", "5"],
    "metrics": ["--port", "0"],
    "slots set": ["3"],
    "tenants reset": ["acme"],
    "tenants set": ["acme", "--accounts", "a"],
    "webhooks enable": ["ep_a"],
    "webhooks replay": ["a"],
}


def command(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    (folder / ".env").write_bytes(b"SWAPLINE_API_KEY_PREFIX=caf\xe9\n")
    (folder / "rows.jsonl").write_text(json.dumps({"image": "https://a.example/a.jpg", "gender": 0, "filter_id": 1}))
    return run(words, cwd=folder, env={**os.environ, "FLOWER_BASIC_AUTH": "me:secret-of-mine"}, timeout=60)


@pytest.mark.parametrize("name", [name for name in COMMANDS if name not in READ_NO_SETTINGS])
def test_every_command_says_it_in_one_sentence(tmp_path: Path, name: str) -> None:
    done = command(tmp_path, str(SWAPLINE), *name.split(), *ARGUMENTS.get(name, []))
    assert done.returncode in {1, 2}
    assert "Traceback" not in done.stderr
    assert SENTENCE in done.stdout + done.stderr
    assert name == "doctor" or len(done.stderr.splitlines()) <= 2


def test_celerys_own_command_says_it_as_well(tmp_path: Path) -> None:
    done = command(tmp_path, str(CELERY), "-A", "swapline_workers.entry", "worker")
    assert done.returncode != 0
    assert SENTENCE in done.stderr
    assert "Traceback" not in done.stderr
