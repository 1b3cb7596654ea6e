"""An environment with wheels of ours and what they declare to need, and nothing else: made without a registry.

What they need is linked from the environment that runs the tests, package by package, as their metadata asks for it.
A package that a wheel uses and does not declare is not there.
"""

from __future__ import annotations

import os
import venv
import zipfile
from importlib.metadata import Distribution, distribution
from pathlib import Path
from typing import TYPE_CHECKING

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from packaging.utils import NormalizedName

RUN = "#!{python}\nimport sys\nfrom {module} import {name}\nsys.exit({name}())\n"


class CleanEnvironment:
    """A virtual environment in `folder` with these requirements, those of ours from `wheels`."""

    def __init__(self, folder: Path, wheels: Iterable[Path], *requirements: str) -> None:
        venv.create(folder, with_pip=False)
        self.programs = folder / "bin"
        self.python = self.programs / "python"
        [self._site] = folder.glob("lib/python*/site-packages")
        self._wheels = {canonicalize_name(wheel.name.partition("-")[0]): wheel for wheel in wheels}
        self._ours: dict[NormalizedName, Distribution] = {}
        self.packages: set[str] = set()
        self._install(requirements)

    def _install(self, requirements: Iterable[str]) -> None:
        seen = set()
        waiting = [Requirement(one) for one in requirements]
        while waiting:
            wanted = waiting.pop()
            name = canonicalize_name(wanted.name)
            if (name, *sorted(wanted.extras)) in seen:
                continue
            seen.add((name, *sorted(wanted.extras)))
            found = self._our_own(name) if name in self._wheels else distribution(name)
            assert wanted.specifier.contains(found.version, prereleases=True), f"{wanted} is {found.version} here"
            if name not in self.packages and name not in self._wheels:
                self._link(found)
            self.packages.add(name)
            waiting += _needs(found, wanted.extras)

    def _our_own(self, name: NormalizedName) -> Distribution:
        if name not in self._ours:
            with zipfile.ZipFile(self._wheels[name]) as wheel:
                wheel.extractall(self._site)
            [metadata] = self._site.glob(f"{name.replace('-', '_')}-*.dist-info")
            self._ours[name] = Distribution.at(metadata)
            for point in self._ours[name].entry_points.select(group="console_scripts"):
                script = self.programs / point.name
                script.write_text(RUN.format(python=self.python, module=point.module, name=point.attr))
                script.chmod(0o755)
        return self._ours[name]

    def _link(self, found: Distribution) -> None:
        for file in found.files or ():
            if ".." not in file.parts and "__pycache__" not in file.parts:
                target = self._site / file
                target.parent.mkdir(parents=True, exist_ok=True)
                try:
                    os.link(Path(str(found.locate_file(file))), target)
                except FileExistsError:  # two packages of one namespace
                    continue


def _needs(found: Distribution, extras: Iterable[str]) -> Iterator[Requirement]:
    """Yield what a distribution requires on this platform, with these extras."""
    for text in found.requires or ():
        one = Requirement(text)
        if one.marker is None or any(one.marker.evaluate({"extra": extra}) for extra in ("", *extras)):
            yield one
