"""The lock is pinned by hash, and the audit says what it did and what it could not do."""

from __future__ import annotations

import runpy
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
AUDIT: dict[str, Any] = runpy.run_path(str(ROOT / "ops" / "audit.py"))
LOCK = "".join((ROOT / name).read_text() for name in ("requirements.lock", "requirements-dev.lock"))


def test_every_package_of_the_lock_has_one_version_and_its_hashes() -> None:
    assert AUDIT["unpinned"](LOCK) == []
    assert LOCK.count("--hash=sha256:") > 1000


@pytest.mark.parametrize("loose", ["requests>=2 \\\n    --hash=sha256:00", "requests==2.32.0", "requests"])
def test_a_package_that_is_not_pinned_by_hash_is_found(loose: str) -> None:
    assert AUDIT["unpinned"](LOCK + "\n" + loose) == ["requests" if "=" not in loose else loose.split(maxsplit=1)[0]]


def test_what_could_not_be_looked_up_does_not_count_as_good() -> None:
    hole = {"id": "CVE-1", "fix_versions": ["2"]}
    report = {
        "dependencies": [
            {"name": "a", "version": "1", "vulns": [hole]},
            {"name": "b", "version": "1", "vulns": []},
            {"name": "c", "skip_reason": "no answer"},
        ]
    }
    assert AUDIT["looked_up"](report) == (3, 2, ["a 1: CVE-1 (mended in 2)"])


def test_a_secret_in_the_tree_is_found(tmp_path: Path) -> None:
    planted = tmp_path / "settings.py"
    planted.write_text("KEY = '" + "AKIA" + "Q3EGRIVGZP5JLBX2" + "'\n")
    hook = (AUDIT["BIN"] / "detect-secrets-hook", "--baseline", ".secrets.baseline")
    assert AUDIT["run"](*hook, planted).returncode == 1
    planted.write_text("nothing = 0\n")
    assert AUDIT["run"](*hook, planted).returncode == 0


def test_the_bill_of_materials_lists_what_is_locked() -> None:
    assert AUDIT["write_bill"]()
    bill = (AUDIT["BUILD"] / "sbom.cdx.json").read_text()
    assert [
        name for name in ("celery", "redis", "requests", "pydantic", "obstore") if f'"name": "{name}"' not in bill
    ] == []
