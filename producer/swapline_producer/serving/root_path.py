"""The path that a proxy serves a process under."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import MutableMapping


def without_root_path(scope: MutableMapping[str, Any], root_path: str) -> MutableMapping[str, Any]:
    """Remove `root_path` from the scope of an ASGI request, if it is there."""
    path = scope.get("path", "")
    if root_path and (path == root_path or path.startswith(f"{root_path}/")):
        return {**scope, "path": path[len(root_path) :] or "/", "raw_path": None}
    return scope
