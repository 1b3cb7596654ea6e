"""The form of a metric."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from swapline_producer.contract.jobs.stats import Figures, Times

KINDS = ("unreachable", "throttled", "unauthorized", "credits", "address", "input", "other")

IDLE = ("breaker", "probe", "store", "rate", "credits", "tenant_credits", "refused", "unread")

OUTCOMES = ("accepted", "uncharged", "refused", "unknown")


@dataclass(frozen=True, slots=True)
class Metric:
    """One family. `name` is as served: a counter's ends in `_total`."""

    name: str
    kind: Literal["gauge", "counter"]
    help: str
    read: Callable[[Figures], float | Mapping[str, float] | Mapping[tuple[str, ...], float]]
    """By the label's value, or the labels' together, if any."""
    label: str = ""
    """Names of the labels, with commas between them."""


@dataclass(frozen=True, slots=True)
class Histogram:
    """One histogram of seconds."""

    name: str
    help: str
    of: str
    """In `Figures.times`."""

    kind = "histogram"
    label = ""

    def read(self, figures: Figures) -> Times:
        """The values."""
        return figures.times[self.of]


def counted(prefix: str, words: Iterable[str]) -> Callable[[Figures], dict[str, float]]:
    """Read the counts of all words, 0 for missing ones: a series must begin before an event."""
    names = tuple(sorted(words))
    return lambda figures: {name: figures.counts.get(prefix + name, 0) for name in names}


def count(name: str) -> Callable[[Figures], float]:
    """Read one count."""
    return lambda figures: figures.counts.get(name, 0)
