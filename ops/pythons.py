"""`make test-pythons`: the unit tests and the tests of installed wheels, on each Python that the metadata names.

An interpreter is looked for on PATH, among pyenv's versions and among uv's. Each gets an environment of its own in
build/pythons, from the locks. Exit code 1: a test failed. What was not found is said at the end.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[1]
ENVIRONMENTS = ROOT / "build" / "pythons"
LOCKS = (ROOT / "requirements.lock", ROOT / "requirements-dev.lock")
PACKAGES = ("producer", "workers", "simulator", "gateway")
TESTS = ("tests/unit", "tests/acceptance/test_packages.py")
FOLDERS = (Path("~/.pyenv/versions"), Path("~/.local/share/uv/python"))
"""Where pyenv and uv keep interpreters, unless PYENV_ROOT says otherwise."""
PIP = ("-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps")


def versions() -> list[str]:
    """Return the versions that the packages' metadata name, as 3.11."""
    project = tomllib.loads((ROOT / "producer" / "pyproject.toml").read_text())["project"]
    words = (classifier.rpartition(" :: ")[2] for classifier in project["classifiers"] if "Python :: 3." in classifier)
    return sorted(words, key=lambda version: int(version.partition(".")[2]))


def find(version: str) -> Path | None:
    """Return an interpreter of a version, or None."""
    return next((path for path in candidates(version) if version_of(path) == version), None)


def candidates(version: str) -> Iterator[Path]:
    """Yield what may be an interpreter of a version; a shim of pyenv's may have none behind it."""
    if on_path := shutil.which(f"python{version}"):
        yield Path(on_path)
    folders = [folder.expanduser() for folder in FOLDERS]
    if root := os.environ.get("PYENV_ROOT"):
        folders.append(Path(root) / "versions")
    for folder in folders:
        yield from sorted(folder.glob(f"*{version}*/bin/python{version}"))


def version_of(python: Path) -> str | None:
    """Return the version of an interpreter, or None where it does not run."""
    command = [str(python), "-c", "import sys; print('%d.%d' % sys.version_info[:2])"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None


def build(version: str, python: Path) -> Path:
    """Return the interpreter of the environment of a version, built anew where a lock has changed."""
    folder = ENVIRONMENTS / version
    stamp, inside = folder / ".locks", folder / "bin" / "python"
    locks = "".join(lock.read_text() for lock in LOCKS)
    if not stamp.exists() or stamp.read_text() != locks:
        shutil.rmtree(folder, ignore_errors=True)
        subprocess.run([str(python), "-m", "venv", str(folder)], check=True)
        locked = [word for lock in LOCKS for word in ("-r", str(lock))]
        subprocess.run([str(inside), *PIP, "--require-hashes", *locked], check=True)
        ours = [word for name in PACKAGES for word in ("-e", str(ROOT / name))]
        subprocess.run([str(inside), *PIP, "--no-build-isolation", *ours], check=True)
        stamp.write_text(locks)
    return inside


def main() -> int:
    """Test on each Python that is found."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("versions", nargs="*", default=versions(), help="Default: all that the metadata name.")
    parser.add_argument("--jobs", default="2", help="Tests at a time.")
    arguments = parser.parse_args()
    ended: dict[str, str] = {}
    for version in arguments.versions:
        if (python := find(version)) is None:
            ended[version] = "not found: neither on PATH nor among pyenv's or uv's"
            continue
        print(f"Python {version}: {python}", flush=True)
        tests = ["-m", "pytest", "-q", "-p", "no:cacheprovider", "-n", arguments.jobs, *TESTS]
        done = subprocess.run([str(build(version, python)), *tests], cwd=ROOT, check=False)
        ended[version] = "passed" if done.returncode == 0 else "FAILED"
    for version, how in ended.items():
        print(f"Python {version}: {how}")
    return 1 if "FAILED" in ended.values() else 0


if __name__ == "__main__":
    sys.exit(main())
