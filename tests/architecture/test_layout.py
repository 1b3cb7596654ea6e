"""Folders stay small: no crowded root, no class with too many public methods, unit tests where their code is."""

from __future__ import annotations

import ast
from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGES = sorted(path for path in ROOT.glob("*/swapline_*") if path.is_dir())
FOLDERS = sorted({file.parent for package in PACKAGES for file in package.rglob("*.py")})
MOST_MODULES = 12
"""In one folder, `__init__` and `__main__` apart."""
MOST_LINES = 300
MOST_METHODS = 15
"""Public methods and properties of one class, those that it inherits from ours among them."""
ALLOWED = {"Producer", "FakeProducer"}
"""What a backend uses is one object, as documented; its fake has the same methods, and those of a test."""


def modules(folder: Path) -> list[str]:
    return sorted(file.stem for file in folder.glob("*.py") if not file.stem.startswith("__"))


def test_no_folder_is_crowded() -> None:
    assert {str(folder): modules(folder) for folder in FOLDERS if len(modules(folder)) > MOST_MODULES} == {}


def test_no_module_is_long() -> None:
    lengths = {file: len(file.read_text().splitlines()) for folder in FOLDERS for file in folder.glob("*.py")}
    assert {str(file): lines for file, lines in lengths.items() if lines > MOST_LINES} == {}


def test_no_class_has_more_public_methods_than_one_can_remember() -> None:
    own: dict[str, set[str]] = {}
    bases: dict[str, list[str]] = {}
    for package in PACKAGES:
        for file in package.rglob("*.py"):
            for node in ast.walk(ast.parse(file.read_text())):
                if isinstance(node, ast.ClassDef):
                    own[node.name] = {
                        part.name
                        for part in node.body
                        if isinstance(part, ast.FunctionDef | ast.AsyncFunctionDef) and part.name[0] != "_"
                    }
                    bases[node.name] = [base.id for base in node.bases if isinstance(base, ast.Name)]

    def methods(name: str) -> set[str]:
        return own.get(name, set()).union(*(methods(base) for base in bases.get(name, [])))

    assert {name: len(methods(name)) for name in own.keys() - ALLOWED if len(methods(name)) > MOST_METHODS} == {}


def test_each_folder_of_unit_tests_is_one_of_a_package() -> None:
    unit = ROOT / "tests" / "unit"
    short = {package.name.removeprefix("swapline_"): package for package in PACKAGES}
    folders = [path.relative_to(unit) for path in unit.rglob("*") if path.is_dir() and path.name != "__pycache__"]
    lost = [str(path) for path in folders if not short.get(path.parts[0], unit).joinpath(*path.parts[1:]).is_dir()]
    assert lost == []
    assert {path.parts[0] for path in folders} <= set(short)
