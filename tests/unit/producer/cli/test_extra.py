"""The command without the packages of its extra."""

from __future__ import annotations

import subprocess
import sys

import pytest


@pytest.mark.parametrize(("missing", "command"), [("click", "slots"), ("rich", "limits")])
def test_the_command_names_the_extra_that_it_needs(missing: str, command: str) -> None:
    code = f"import sys; sys.modules['{missing}'] = None; from swapline_producer.__main__ import main; main()"
    done = subprocess.run([sys.executable, "-c", code, command], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr == "The command swapline needs an extra: pip install 'swapline-producer[cli]'.\n"
