"""The part of `swapline doctor` that needs the workers' package."""

from __future__ import annotations

from typing import TYPE_CHECKING

from swapline_producer.environment.setting_names import misspelt
from swapline_producer.errors import SettingsError
from swapline_producer.operations.doctor.findings import Finding, examined, fail, ok, unchecked, warn
from swapline_producer.settings import load
from swapline_workers.doctor import account, flower, vendor
from swapline_workers.doctor.misread import lost_blank, references
from swapline_workers.doctor.steps import steps
from swapline_workers.settings import WorkerSettings

if TYPE_CHECKING:
    from collections.abc import Iterator


def rounds(*, flower_url: str | None = None, timeout: float = 10.0) -> Iterator[Finding]:
    """Examine all. `timeout`: seconds for one call to the vendor."""
    yield from _misspelt()
    yield from references()
    try:
        settings = load(WorkerSettings)
    except SettingsError as error:
        yield from _wrong(str(error).splitlines())
        yield from flower.examine(flower_url, None)
        return
    slots = "slots by account" if settings.accounts else f"{settings.max_in_flight} slots"
    yield ok("worker settings", f"read; {slots}, {settings.on_ambiguous_submit} when in doubt")
    if proxy := settings.egress_proxy:
        yield ok("egress proxy", f"https to the vendor and to webhooks goes through {proxy}")
    yield from lost_blank(settings.api_key_prefix)
    yield from examined("account", lambda: account.examine(settings, timeout))
    yield from examined("vendor", lambda: vendor.examine(settings, timeout))
    yield from examined("steps", lambda: steps(settings))
    yield from flower.examine(flower_url, settings.flower_url)


def _misspelt() -> Iterator[Finding]:
    for one in misspelt():
        hint = f"did you mean {one.meant}?" if one.meant else "docs/settings.md has all there are"
        yield warn("settings", f"{one.name} is set, and there is no such setting", hint)


def _wrong(sentences: list[str]) -> Iterator[Finding]:
    for sentence in sentences:
        yield fail(
            "worker settings", sentence, "docs/settings.md has them all; a worker does not start with a wrong one"
        )
    for name in ("account", "vendor", "steps"):
        yield unchecked(name, "the workers' settings must be right first")
