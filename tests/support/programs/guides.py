"""The examples of the guides, run as they stand there."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

GUIDES = Path(__file__).parents[3] / "docs" / "guides"


def run(guide: str, heading: str, **names: Any) -> dict[str, Any]:
    """Run the first Python block below a heading of a guide; give its names."""
    text = (GUIDES / guide).read_text()
    found = re.search(rf"^## {heading}\n(?:(?!^## ).)*?^```python\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
    assert found, f"{guide} has no Python block below {heading}"
    names = {"__name__": "guide", **names}
    exec(compile(found[1], f"{guide}: {heading}", "exec", dont_inherit=True), names)  # noqa: S102 -- our own guide
    return names
