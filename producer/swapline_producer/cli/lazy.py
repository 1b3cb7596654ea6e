"""The root of the command line, which loads a command when it is named."""

from __future__ import annotations

import functools
from importlib import import_module
from typing import TYPE_CHECKING, NamedTuple

import click

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint


class Own(NamedTuple):
    """Where a command is, and the first sentence of its help."""

    place: str
    summary: str

    def load(self) -> click.Command:
        """Import it."""
        module, _, name = self.place.partition(":")
        found: click.Command = getattr(import_module(f"swapline_producer.cli.{module}"), name)
        return found


OWN = {
    "accounts": Own("account.accounts:accounts", "Show the vendor's accounts and how each is used; drain them."),
    "after-restore": Own(
        "installation.restore:after_restore", "Make a ledger that was restored from a backup safe to work on."
    ),
    "batch": Own("batches:batch", "Run a manifest of face swaps (run), see how it stands (show), stop it (cancel)."),
    "completion": Own("completion:completion", "Print the script that lets SHELL complete what you type."),
    "credits": Own("account.slots:credits_", "Show the credits spent today (UTC), by tenant, and the caps."),
    "doctor": Own("installation.doctor:doctor", "Examine the installation: what is well, what is not, and what to do."),
    "enqueue": Own("enqueue:enqueue", "Enqueue one face swap."),
    "janitor": Own("installation.janitor:janitor", "Find objects that no job needs, and delete them."),
    "jobs": Own("jobs:jobs", "Look at jobs (list, show, events, …), decide on them (resolve, replay, cancel)."),
    "keys": Own("installation.keys:keys", "Make, list and revoke API keys for `swapline gateway`."),
    "limits": Own("account.limits:limits", "Show the limits of the installation and its accounts."),
    "slots": Own(
        "account.slots:slots", "Show how the vendor's slots are used, and why the line stands still if it does."
    ),
    "tenants": Own("account.tenants:tenants", "Show the tenants whose jobs run on some of the vendor's accounts only."),
    "webhooks": Own("webhooks:webhooks", "See what was not delivered, send it again, see and enable receivers."),
}


class Commands(click.Group):
    """Our commands, and those of the entry-point group `swapline.commands`."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 -- click's shape
        """Return all names, sorted."""
        return sorted({*OWN, *_others()})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 -- the same
        """Return the command of this name, or None."""
        if cmd_name in OWN:
            return OWN[cmd_name].load()
        point = _others().get(cmd_name)
        command = point.load() if point else None
        return command if isinstance(command, click.Command) else None

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write names and summaries, without loading our own commands."""
        names = self.list_commands(ctx)
        width = formatter.width - 6 - max(map(len, names))
        with formatter.section("Commands"):
            formatter.write_dl([(name, self._summary(ctx, name, width)) for name in names])

    def _summary(self, ctx: click.Context, name: str, width: int) -> str:
        if name in OWN:
            return OWN[name].summary
        command = self.get_command(ctx, name)
        return command.get_short_help_str(width) if command else ""


@functools.cache
def _others() -> dict[str, EntryPoint]:
    """Return other packages' commands, once: reading all metadata takes 10 ms."""
    from importlib.metadata import entry_points  # noqa: PLC0415 -- 20 ms, which our own commands need not wait

    return {point.name: point for point in entry_points(group="swapline.commands")}
