"""Standard Webhooks: keys, signatures, endpoints and the addresses that are allowed."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from swapline_producer.webhooks.keys import new_key_pair, new_secret
    from swapline_producer.webhooks.signing import sign, verify

__all__ = ["new_key_pair", "new_secret", "sign", "verify"]

_MODULES = {"new_key_pair": "keys", "new_secret": "keys", "sign": "signing", "verify": "signing"}


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
