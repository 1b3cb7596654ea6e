"""What the README shows is what happens."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from swapline_simulator import sample_photographs

if TYPE_CHECKING:
    from support.programs.installation import Installation

README = (Path(__file__).parents[2] / "README.md").read_text()


def test_the_python_example_runs_as_it_stands(installation: Installation, tmp_path: Path) -> None:
    [example] = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    (tmp_path / "portrait.jpg").write_bytes(sample_photographs()[0])
    (tmp_path / "example.py").write_text(example)
    with installation.worker():
        ran = subprocess.run(
            [sys.executable, "example.py"],
            cwd=tmp_path,
            env=installation.environment,
            capture_output=True,
            text=True,
            timeout=90,
            check=False,
        )
    assert ran.returncode == 0, ran.stderr
    assert re.fullmatch(r"SUCCEEDED \['results/default/\d{4}/\d\d/\d\d/[0-9a-f]{32}/0\.png'\]\n", ran.stdout)


def test_every_command_that_is_shown_exists(installation: Installation) -> None:
    shown = set(re.findall(r"^swapline ([a-z]+(?: [a-z]+)?)\b", README, re.MULTILINE))
    assert len(shown) >= 5
    for command in sorted(shown):
        words = command.split()
        named = installation.cli(*words, "--help")
        if named.returncode != 0:  # the second word was an argument
            named = installation.cli(words[0], "--help")
        assert named.returncode == 0, command
