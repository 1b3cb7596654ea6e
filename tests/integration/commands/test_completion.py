"""A real shell completes what is typed."""

from __future__ import annotations

import shutil
import subprocess

import pytest

from support.programs.installation import SWAPLINE

BASH = """
set -e
PATH={folder}:$PATH
eval "$(swapline completion bash)"
COMP_WORDS=({typed}) COMP_CWORD={place}
_swapline_completion swapline
echo "${{COMPREPLY[@]}}"
"""


@pytest.mark.parametrize(
    ("typed", "expected"),
    [("swapline jobs re", "replay resolve"), ("swapline jobs list --state HE", "HELD"), ("swapline doc", "doctor")],
)
def test_bash_completes_commands_and_values(typed: str, expected: str) -> None:
    script = BASH.format(folder=SWAPLINE.parent, typed=typed, place=len(typed.split()) - 1)
    bash = shutil.which("bash")
    assert bash is not None
    done = subprocess.run([bash, "-c", script], capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout.split()) == (0, expected.split()), done.stderr


@pytest.mark.parametrize(("shell", "mark"), [("zsh", "compdef"), ("fish", "complete --no-files --command swapline")])
def test_the_others_get_a_script_of_their_own(shell: str, mark: str) -> None:
    done = subprocess.run([SWAPLINE, "completion", shell], capture_output=True, text=True, timeout=60, check=True)
    assert mark in done.stdout
    assert "_SWAPLINE_COMPLETE" in done.stdout
