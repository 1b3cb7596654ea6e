"""The site of the documentation is built by its verb; the build itself finds links that lead nowhere."""

from __future__ import annotations

import subprocess
from pathlib import Path

from support.programs.debian import needs

ROOT = Path(__file__).parents[2]


@needs("npm", "npm")
def test_the_site_is_built_and_every_link_in_it_leads_somewhere() -> None:
    built = subprocess.run(["make", "-s", "site"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stdout + built.stderr
    html = ROOT / "build" / "site" / "html"
    assert "enqueue_many" in (html / "api" / "index.html").read_text()
    assert "enqueue_many" in (html / "search.json").read_text()
