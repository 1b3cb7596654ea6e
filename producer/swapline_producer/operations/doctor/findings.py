"""What an examination finds."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

from swapline_producer.contract import Frozen
from swapline_producer.errors import SwaplineError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator


class Verdict(StrEnum):
    """FAIL: jobs get lost, wait, or fail. UNCHECKED: not to be seen from here."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"
    UNCHECKED = "unchecked"


class Finding(Frozen):
    """What was examined, what was found, and what to do."""

    name: str
    verdict: Verdict
    found: str
    advice: str = ""


def ok(name: str, found: str) -> Finding:
    """All is well."""
    return Finding(name=name, verdict=Verdict.OK, found=found)


def warn(name: str, found: str, advice: str) -> Finding:
    """It works now, and may not always."""
    return Finding(name=name, verdict=Verdict.WARN, found=found, advice=advice)


def fail(name: str, found: str, advice: str) -> Finding:
    """It does not work."""
    return Finding(name=name, verdict=Verdict.FAIL, found=found, advice=advice)


def unchecked(name: str, why: str, advice: str = "") -> Finding:
    """It could not be examined from here."""
    return Finding(name=name, verdict=Verdict.UNCHECKED, found=f"not checked: {why}", advice=advice)


def examined(name: str, examine: Callable[[], Iterable[Finding]]) -> Iterator[Finding]:
    """Yield an examination's findings; one that breaks is a finding too."""
    try:
        yield from examine()
    except SwaplineError as error:
        yield fail(name, str(error), "mend that first")
    except Exception as error:  # noqa: BLE001 -- a doctor that dies of what he finds is of no use
        yield fail(name, f"the examination itself broke: {type(error).__name__}: {error}", "please report this")
