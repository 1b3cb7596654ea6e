"""The options of job filters."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

import click
from click.shell_completion import CompletionItem

from swapline_producer.cli.options import AgeType
from swapline_producer.contract import FailureCode, Notification, State

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from enum import StrEnum

    from swapline_producer.ledger import JobFilter, Ledger

Command = TypeVar("Command", bound="Callable[..., Any]")


class Word(click.Choice[str]):
    """One of our words, in any case."""

    def __init__(self, words: Iterable[StrEnum]) -> None:
        """Take all words of an enum."""
        super().__init__([word.value for word in words], case_sensitive=False)

    def shell_complete(
        self,
        ctx: click.Context,  # noqa: ARG002 -- click's shape
        param: click.Parameter,  # noqa: ARG002 -- the same
        incomplete: str,
    ) -> list[CompletionItem]:
        """Return the words that begin so."""
        return [CompletionItem(word) for word in self.choices if word.startswith(incomplete.upper())]


OPTIONS = (
    click.option("--state", "states", multiple=True, type=Word(State), metavar="STATE", help="In this state."),
    click.option("--code", "codes", multiple=True, type=Word(FailureCode), metavar="CODE", help="With this code."),
    click.option("--tenant", "tenants", multiple=True, help="Of this tenant."),
    click.option("--batch", help="Of this batch."),
    click.option("--notification", type=Word(Notification), help="Whose webhook stands so."),
    click.option("--older-than", type=AgeType(), help="Accepted before: 90s, 15m, 2h, 1d12h, or 2026-11-22T03:00Z."),
    click.option("--newer-than", type=AgeType(), help="Accepted since: as above."),
)
NAMES = ("states", "codes", "tenants", "batch", "notification", "older_than", "newer_than")


def filtered(command: Command) -> Command:
    """Add the options to a command; of several values, any."""
    for option in reversed(OPTIONS):
        command = option(command)
    return command


def job_filter_of(ledger: Ledger, given: dict[str, Any]) -> JobFilter:
    """Return the filter; ages count by the ledger's clock."""
    from swapline_producer.ledger import JobFilter  # noqa: PLC0415 -- not loaded for --help

    older, newer = given["older_than"], given["newer_than"]
    now = ledger.now() if older or newer else 0
    return JobFilter(
        states=given["states"],
        codes=given["codes"],
        tenants=given["tenants"],
        batch=given["batch"],
        notification=given["notification"],
        accepted_before=older.at(now) if older else None,
        accepted_from=newer.at(now) if newer else None,
    )


def is_given(given: dict[str, Any]) -> bool:
    """Whether any option was given."""
    return any(given[name] for name in NAMES)
