"""The vendor's accounts on stage: their keys, the file that names them, and the ways in which each may fail."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from chaos.plan import AccountFailure

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from swapline_simulator.client import Control

ONLY = "default"
"""The one account of an installation that names none."""
CREDITS = 1_000_000
SLOW = "lognormal:8,0.3"
"""Of a slow account: several times its usual service time."""


def caps_of(number: int) -> dict[str, int]:
    """Slots of this number of accounts, by name: a has 3, b 4, and so on. One account has no name of its own."""
    return {chr(ord("a") + one): 3 + one for one in range(number)} if number > 1 else {}


class Accounts:
    """Further accounts of the simulated vendor. Without any it is the first one, which settings name."""

    def __init__(self, file: Path, caps: Mapping[str, int], service_time: str) -> None:
        """`file`: for SWAPLINE_ACCOUNTS. Nothing is written yet."""
        self._file, self._caps, self._service_time = file, dict(caps), service_time
        self._changes = 0
        self.keys = {name: f"{name}-key" for name in caps} or {ONLY: "sim-key"}

    @property
    def names(self) -> list[str]:
        """Names of several accounts; none where there is one."""
        return list(self._caps)

    @property
    def arguments(self) -> list[str]:
        """For the simulator."""
        return [
            word
            for name, cap in self._caps.items()
            for word in ("--account", f"name={name},key={self.keys[name]},cap={cap}")
        ]

    def open(self, vendor: Control, url: str, modes: tuple[str, ...]) -> None:
        """Have every account misbehave, and name them for workers, which call the vendor at `url`."""
        self._vendor, self._url = vendor, url
        for name in self.keys:
            self.control(name).change(mode=list(modes))
        if self._caps:
            self._write()

    def control(self, name: str) -> Control:
        """The control page of an account."""
        return self._vendor.of(name) if self._caps else self._vendor

    @property
    def settings(self) -> dict[str, str]:
        """For workers."""
        return {"SWAPLINE_ACCOUNTS": str(self._file)} if self._caps else {"SWAPLINE_API_KEY": self.keys[ONLY]}

    def begin(self, name: str, failure: AccountFailure) -> None:
        """Have an account fail."""
        self._changes += 1
        changes: dict[AccountFailure, dict[str, Any]] = {
            AccountFailure.REVOKED: {"key": f"{name}-refused-{self._changes}"},
            AccountFailure.NO_CREDITS: {"credits": 0},
            AccountFailure.SLOW: {"service_time": SLOW},
        }
        self.control(name).change(**changes[failure])

    def end(self, name: str, failure: AccountFailure, *, new_key: bool = False) -> None:
        """Let an account be well again. `new_key`: with another key, which a person writes into the file."""
        if new_key:
            self._changes += 1
            self.keys[name] = f"{name}-key-{self._changes}"
        changes: dict[AccountFailure, dict[str, Any]] = {
            AccountFailure.REVOKED: {"key": self.keys[name]},
            AccountFailure.NO_CREDITS: {"credits": CREDITS},
            AccountFailure.SLOW: {"service_time": self._service_time},
        }
        self.control(name).change(**changes[failure])
        if new_key:
            self._write()

    def _write(self) -> None:
        named = [
            {
                "name": name,
                "base_url": self._url,
                "key": self.keys[name],
                "key_header": "X-API-Key",
                "max_in_flight": cap,
            }
            for name, cap in self._caps.items()
        ]
        unfinished = self._file.with_suffix(".new")
        unfinished.write_text(json.dumps(named))
        unfinished.replace(self._file)
