"""`make audit`: the lock, known vulnerabilities, a bill of materials, secrets in the tree. Each part says how it went.

Exit codes: 0 nothing found; 1 something found, or a part could not be run. Where no registry answers, vulnerabilities
are NOT looked up: that is said, and is no failure, unless AUDIT_STRICT is set in the environment, as for a release.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
BUILD = ROOT / "build"
LOCKS = (ROOT / "requirements.lock", ROOT / "requirements-faces.lock", ROOT / "requirements-dev.lock")
BIN = Path(sys.executable).parent
PATIENCE = 15
"""Seconds for one answer of a registry."""

IN_TESTS = ("Base64HighEntropyString", "HexHighEntropyString", "BasicAuthDetector")
"""What is not looked for in tests: their made-up passwords open nothing. Keys of known makes are looked for there."""

FALSE_ALARMS = {("tests/unit/workers/core/schedule/test_histogram.py", "GitHub Token")}
"""The name of a test there has `ghs_` in its middle."""


def unpinned(lock: str) -> list[str]:
    """Give the requirements of a lock that have no single version, or no hash."""
    entries = [entry for entry in re.split(r"\n(?=\S)", lock) if entry.strip() and not entry.startswith("#")]
    return [
        entry.split()[0]
        for entry in entries
        if not re.match(r"[A-Za-z0-9._-]+(\[[^\]]+\])?==[^\s;]+", entry) or "--hash=sha256:" not in entry
    ]


def looked_up(report: dict[str, Any]) -> tuple[int, int, list[str]]:
    """Give how many packages a report of pip-audit has, how many could be looked up, and what was found."""
    packages = report["dependencies"]
    known = [one for one in packages if "skip_reason" not in one]
    found = [
        f"{one['name']} {one['version']}: {hole['id']} (mended in {', '.join(hole['fix_versions']) or 'none yet'})"
        for one in known
        for hole in one["vulns"]
    ]
    return len(packages), len(known), found


def check_lock() -> bool:
    """Every package of the lock has one version and its hashes."""
    loose = [name for lock in LOCKS for name in unpinned(lock.read_text())]
    report("lock", f"not pinned by hash: {', '.join(loose)}" if loose else "every package is pinned by hash")
    return not loose


def check_vulnerabilities() -> bool:
    """No package of the lock has a known hole, as far as a registry could be asked."""
    locks = [part for lock in LOCKS for part in ("-r", lock)]
    command = [BIN / "pip-audit", *locks, "--disable-pip", "--require-hashes", "-f", "json"]
    done = run(*command, "--progress-spinner", "off", "--timeout", str(PATIENCE))
    try:
        report = json.loads(done.stdout)
        total, known, found = looked_up(report)
        reason = next((one["skip_reason"] for one in report["dependencies"] if "skip_reason" in one), "")
    except (ValueError, KeyError):
        total, known, found = 0, 0, []
        reason = (done.stderr.strip().splitlines() or ["no registry with advisories answered"])[-1]
    strict = bool(os.environ.get("AUDIT_STRICT"))
    if known < total or not total:
        report("vulnerabilities", f"NOT LOOKED UP for {total - known} of {total} packages: {reason[:200]}")
        if strict:
            return False
    for one in found:
        report("vulnerabilities", one)
    if known and not found:
        report("vulnerabilities", f"none known in {known} of {total} packages")
    return not found


def write_bill() -> bool:
    """Write the bill of materials of what runs, CycloneDX as JSON, checked against its schema."""
    BUILD.mkdir(exist_ok=True)
    bill = BUILD / "sbom.cdx.json"
    command = [BIN / "cyclonedx-py", "requirements", LOCKS[0], "--pyproject", ROOT / "pyproject.toml"]
    done = run(*command, "--output-reproducible", "--validate", "--of", "JSON", "-o", bill)
    if done.returncode:
        report("bill of materials", done.stderr.strip()[-300:])
        return False
    report(
        "bill of materials", f"{len(json.loads(bill.read_text())['components'])} components in {bill.relative_to(ROOT)}"
    )
    return True


def check_secrets() -> bool:
    """No secret in the tree that the baseline does not know."""
    files = run("git", "ls-files", "-z", "--cached", "--others", "--exclude-standard").stdout.split("\0")
    there = [name for name in files if name and (ROOT / name).is_file() and not name.endswith(".lock")]
    tests = [name for name in there if name.startswith("tests/")]
    ours = [name for name in there if not name.startswith("tests/") and name != ".secrets.baseline"]
    hook = run(BIN / "detect-secrets-hook", "--baseline", ".secrets.baseline", *ours)
    off = [part for plugin in ("KeywordDetector", *IN_TESTS) for part in ("--disable-plugin", plugin)]
    scan = run(BIN / "detect-secrets", "scan", *off, *tests)
    in_tests = json.loads(scan.stdout)["results"] if not scan.returncode else {"the scan failed": [{}]}
    if hook.returncode:
        report("secrets", hook.stdout.strip() or hook.stderr.strip())
    alarms = {(name, str(one.get("type"))) for name, found in in_tests.items() for one in found} - FALSE_ALARMS
    for name, kind in sorted(alarms):
        report("secrets", f"{name}: {kind}")
    if not hook.returncode and not alarms:
        report("secrets", f"none in {len(there)} files")
    return not hook.returncode and not alarms


def run(*command: object) -> subprocess.CompletedProcess[str]:
    """Run a program in the workspace, and keep what it says."""
    return subprocess.run([str(part) for part in command], cwd=ROOT, capture_output=True, text=True, check=False)


def report(part: str, sentence: str) -> None:
    """Print how a part went."""
    print(f"{part}: {sentence}", flush=True)


if __name__ == "__main__":
    sys.exit(not all([check_lock(), check_vulnerabilities(), write_bill(), check_secrets()]))
