"""`make dist`: the wheel and the sdist of every package, in dist/, and checks of both.

Times inside the archives are those of the last commit (or SOURCE_DATE_EPOCH), so that the same commit gives the same
bytes. Each wheel is built from its sdist, which proves that the sdist is whole. Exit code 1: a check found something.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from pathlib import Path

ROOT = Path(__file__).parents[1]
DIST = ROOT / "dist"
PACKAGES = ("producer", "workers", "simulator", "gateway")
LEAST_RATING = 8
"""Of pyroma's ten: it misses addresses of a project page, which a registry's page would have."""


def build(package: Path, folder: Path) -> list[Path]:
    """Build the sdist of a package, and its wheel from that; return both."""
    _hatchling(package, "sdist", folder)
    [sdist] = folder.glob(f"swapline_{package.name}-*.tar.gz")
    with tempfile.TemporaryDirectory() as unpacked:
        with tarfile.open(sdist) as archive:
            archive.extraction_filter = getattr(tarfile, "data_filter", lambda member, _: member)  # not in 3.11.2
            archive.extractall(unpacked)  # noqa: S202 -- our own
        [source] = Path(unpacked).iterdir()
        _hatchling(source, "wheel", folder)
    return [sdist, *folder.glob(f"swapline_{package.name}-*.whl")]


def _hatchling(package: Path, target: str, folder: Path) -> None:
    environment = {"SOURCE_DATE_EPOCH": last_commit(), **os.environ}
    command = [sys.executable, "-m", "hatchling", "build", "--target", target, "--directory", str(folder)]
    subprocess.run(command, cwd=package, env=environment, check=True, capture_output=True)


def last_commit() -> str:
    """Return the time of the last commit, in seconds since the epoch; 2020-02-02 outside of git."""
    command = ["git", "log", "-1", "--format=%ct"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    return done.stdout.strip() or "1580601600"


def contents(archive: Path) -> list[str]:
    """Return the names of the files in a wheel or an sdist, without the sdist's own folder."""
    if archive.suffix == ".whl":
        with zipfile.ZipFile(archive) as wheel:
            return sorted(wheel.namelist())
    with tarfile.open(archive) as sdist:
        return sorted(name.partition("/")[2] for name in sdist.getnames())


def strange(archive: Path) -> list[str]:
    """Return the files that belong into no archive of ours."""
    at_the_top = {"LICENSE", "PKG-INFO", "README.md", "pyproject.toml", ".gitignore"}
    name = archive.name.partition("-")[0]
    return [
        file
        for file in contents(archive)
        if file not in at_the_top
        and not (file.startswith((f"{name}/", f"{name}-")) and not file.endswith(".pyc") and "__pycache__" not in file)
    ]


def check(archives: list[Path]) -> bool:
    """Check names, descriptions and metadata; print what is wrong."""
    good = True
    for archive in archives:
        files = contents(archive)
        print(f"{archive.name}: {len(files)} files, {archive.stat().st_size:,} bytes")
        for file in strange(archive):
            print(f"{archive.name} should not have {file}")
            good = False
    tool = Path(sys.executable).parent
    commands = [[tool / "twine", "check", "--strict", *archives]]
    commands += [[tool / "pyroma", "--min", str(LEAST_RATING), one] for one in archives if one.suffix == ".gz"]
    for command in commands:
        done = subprocess.run([str(part) for part in command], capture_output=True, text=True, check=False)
        if done.returncode:
            print(done.stdout + done.stderr)
            good = False
    return good


def main() -> int:
    """Build and check."""
    DIST.mkdir(exist_ok=True)
    for old in DIST.glob("swapline_*"):
        old.unlink()
    return 0 if check([archive for package in PACKAGES for archive in build(ROOT / package, DIST)]) else 1


if __name__ == "__main__":
    sys.exit(main())
