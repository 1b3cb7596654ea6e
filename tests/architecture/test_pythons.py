"""`make test-pythons` tests on what the metadata name, where an interpreter is found."""

from __future__ import annotations

import runpy
import sys
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pytest


ROOT = Path(__file__).parents[2]
PYTHONS: dict[str, Any] = runpy.run_path(str(ROOT / "ops" / "pythons.py"))


def interpreter(folder: Path, script: str) -> Path:
    """A program that stands for an interpreter."""
    folder.mkdir(parents=True)
    program = folder / "python3.77"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    return program


def test_every_package_names_the_same_versions_and_they_are_those_that_are_tested() -> None:
    for name in PYTHONS["PACKAGES"]:
        project = tomllib.loads((ROOT / name / "pyproject.toml").read_text())["project"]
        named = [one.rpartition(" :: ")[2] for one in project["classifiers"] if "Python :: 3." in one]
        assert (named, project["requires-python"]) == (PYTHONS["versions"](), f">={named[0]}")


def test_the_python_of_this_run_is_one_of_them_and_is_recognised() -> None:
    running = "{}.{}".format(*sys.version_info[:2])
    assert running in PYTHONS["versions"]()
    assert PYTHONS["version_of"](Path(sys.executable)) == running


def test_a_shim_without_an_interpreter_behind_it_is_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shim = interpreter(tmp_path / "shims", "echo 'pyenv: python3.77: command not found' >&2; exit 127")
    real = interpreter(tmp_path / "pyenv" / "versions" / "3.77.1" / "bin", "echo 3.77")
    monkeypatch.setenv("PATH", str(shim.parent), prepend=":")
    monkeypatch.setenv("PYENV_ROOT", str(tmp_path / "pyenv"))
    assert PYTHONS["find"]("3.77") == real
    assert PYTHONS["find"]("3.78") is None
