"""Settings that are read in another way than they were meant."""

from __future__ import annotations

from typing import TYPE_CHECKING

from swapline_producer.environment.dotenv_file import read_dotenv
from swapline_producer.errors import SettingsError
from swapline_producer.operations.doctor.findings import Finding, warn
from swapline_producer.settings import ENV_PREFIX

if TYPE_CHECKING:
    from collections.abc import Iterator


def references() -> Iterator[Finding]:
    """Find `${…}` in `.env`, which other readers of such files expand."""
    try:
        written = read_dotenv()
    except SettingsError:  # reported by the settings
        return
    for name, value in written.items():
        if name.startswith(ENV_PREFIX) and "${" in (value or ""):
            found = f"{name} in .env has ${{…}} in it"
            yield warn("settings", found, "nothing is put in its place: write the value itself")


def lost_blank(key_prefix: str) -> Iterator[Finding]:
    """Find a prefix that runs into the key: an unquoted blank is dropped."""
    if key_prefix[-1:].isalnum():
        found = (
            f"SWAPLINE_API_KEY_PREFIX is {key_prefix!r}, without a blank at its end: the header says {key_prefix}KEY"
        )
        yield warn("worker settings", found, f"a blank is kept in quotes only: SWAPLINE_API_KEY_PREFIX='{key_prefix} '")
