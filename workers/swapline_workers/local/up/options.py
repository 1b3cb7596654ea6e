"""Options of `swapline up`, and the checks before anything starts."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pydantic import ValidationError

from swapline_producer.errors import SettingsError
from swapline_producer.settings import ProducerSettings, load
from swapline_workers.local.errors import PortTaken
from swapline_workers.local.ports import LOOPBACK, is_free
from swapline_workers.local.up.parts import PAGES
from swapline_workers.settings import WorkerSettings

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


@dataclass(frozen=True)
class UpOptions:
    """The command line's options."""

    folder: Path
    redis_url: str | None = None
    redis_port: int = 0
    workers: int | None = None
    host: str = LOOPBACK
    ports: Mapping[str, int] = field(default_factory=dict)
    without: frozenset[str] = frozenset()
    simulated: bool = False
    modes: tuple[str, ...] = ()
    adopt: bool = False

    @property
    def pages(self) -> dict[str, int]:
        """The ports of the pages to run, by name."""
        return {name: self.ports[name] for name, page in PAGES.items() if name not in self.without and page.installed}


def load_settings(options: UpOptions) -> tuple[WorkerSettings, bool]:
    """Load and check all settings; return also whether the server is embedded."""
    changes: dict[str, str] = {} if options.redis_url is None else {"redis_url": options.redis_url}
    user_settings = load(ProducerSettings, **changes)
    embedded = options.redis_url is None and (options.simulated or "redis_url" not in user_settings.model_fields_set)
    if options.simulated or user_settings.storage_url is None:
        changes["storage_url"] = (options.folder.absolute() / "store").as_uri()
    if options.simulated:
        _check_modes(options.modes)
        changes |= {"api_base_url": "http://simulated", "api_key": "simulated", "api_key_header": "X-API-Key"}
    try:
        return load(WorkerSettings, **changes), embedded
    except SettingsError as error:
        hint = "" if options.simulated else "\nTo try everything without a vendor: swapline up --simulated"
        raise SettingsError(f"{error}{hint}") from None


def _check_modes(modes: tuple[str, ...]) -> None:
    from swapline_simulator import SimulatorConfig  # noqa: PLC0415 -- not needed for a real vendor

    try:
        SimulatorConfig.model_validate({"mode": modes})
    except ValidationError as error:
        sentences = [one["msg"].removeprefix("Value error, ") for one in error.errors()]
        raise SettingsError(f"--mode: {'; '.join(sentences)}.") from None


def check_ports(options: UpOptions) -> None:
    """Raise PortTaken for a port in use, or wanted by two parts."""
    pages = options.pages
    ports = dict(pages)
    if options.simulated:
        ports["simulator"] = options.ports["simulator"]
    if options.redis_port:
        ports["redis"] = options.redis_port
    for name, port in ports.items():
        same = [other for other in ports if other != name and ports[other] == port]
        if same or not is_free(port, host=options.host if name in pages else LOOPBACK):
            owner = f"is wanted for {same[0]}, too" if same else "is in use by another program"
            raise PortTaken(
                f"Port {port}, for {name}, {owner}; choose another with --{name}-port"
                + (f", or do without: --without {name}." if name in PAGES else ".")
            )
