"""Programs that come as Debian packages and not from the lock: a test that needs one names it."""

from __future__ import annotations

import os
import shutil

import pytest


def needs(program: str, package: str) -> pytest.MarkDecorator:
    """Skip where a program is not installed, saying which package has it; where everything is promised, fail instead.

    `.ci/run` installs the packages and sets SWAPLINE_TEST_EVERYTHING, so that nothing is skipped there unseen.
    """
    missing = shutil.which(program) is None and "SWAPLINE_TEST_EVERYTHING" not in os.environ
    return pytest.mark.skipif(missing, reason=f"{program} is not installed: apt-get install {package}")
