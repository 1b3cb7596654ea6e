"""Sessions of `requests` whose calls have deadlines, as a worker's."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import requests

from swapline_workers.adapters.http.deadline import DeadlineAdapter

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def session() -> Iterator[requests.Session]:
    """Yield a session under deadlines that reads no environment."""
    with requests.Session() as one:
        one.trust_env = False
        for scheme in ("http://", "https://"):
            one.mount(scheme, DeadlineAdapter())
        yield one
