"""Variables that a container runtime sets for neighbouring services ("service links").

As SWAPLINE_METRICS_PORT=tcp://10.0.0.1:9810 for a Service `swapline-metrics`.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

_NAMES = re.compile(r".+(_SERVICE_HOST|_SERVICE_PORT(_[A-Z0-9_]+)?|_PORT_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)")
_ADDRESS = re.compile(r"[a-z]+://")


def is_service_link(name: str, value: str | None) -> bool:
    """Whether a variable was set for a service, in any case."""
    upper = name.upper()
    return _NAMES.fullmatch(upper) is not None or (
        upper.endswith("_PORT") and _ADDRESS.match((value or "").lower()) is not None
    )


def without_service_links(variables: Mapping[str, str | None]) -> dict[str, str | None]:
    """Return the variables that may be settings."""
    return {name: value for name, value in variables.items() if not is_service_link(name, value)}
