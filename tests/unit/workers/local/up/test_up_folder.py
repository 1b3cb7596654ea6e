"""The data folder of `swapline up`: what it tells other terminals."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

from swapline_workers.local.up.folder import UpFolder

if TYPE_CHECKING:
    from pathlib import Path


def test_a_shell_reads_what_was_written_whatever_is_in_it(tmp_path: Path) -> None:
    settings = {"SWAPLINE_REDIS_URL": "redis://:it's $HOME `id`@h:6379/0?a=b&c", "SWAPLINE_KEY_PREFIX": "shop"}
    folder = UpFolder(tmp_path)
    folder.write_env(settings)
    script = f'. "{folder.env}"; printf "%s|%s" "$SWAPLINE_REDIS_URL" "$SWAPLINE_KEY_PREFIX"'
    done = subprocess.run(["/bin/sh", "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == "|".join(settings.values())


def test_a_password_is_made_once_and_an_empty_file_is_none(tmp_path: Path) -> None:
    folder = UpFolder(tmp_path)
    folder.secret("board").parent.mkdir()
    folder.secret("board").write_text("")
    password = folder.password("board")
    assert (len(password), folder.password("board")) == (24, password)
