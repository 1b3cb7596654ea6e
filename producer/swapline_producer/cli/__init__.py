"""The `swapline` command. Other packages add commands through the entry-point group `swapline.commands`."""

from __future__ import annotations

import os
import sys
from importlib.metadata import entry_points
from io import StringIO, TextIOWrapper
from typing import Any

import click

from swapline_producer.cli.accounts import accounts
from swapline_producer.cli.batch import batch
from swapline_producer.cli.completion import completion
from swapline_producer.cli.doctor import doctor
from swapline_producer.cli.enqueue import enqueue
from swapline_producer.cli.jobs import jobs
from swapline_producer.cli.keys import keys
from swapline_producer.cli.limits import limits
from swapline_producer.cli.output import FAILED, USAGE, complain, warn
from swapline_producer.cli.purge import janitor
from swapline_producer.cli.restore import after_restore
from swapline_producer.cli.slots import credits_, slots
from swapline_producer.cli.webhooks import webhooks
from swapline_producer.errors import RequestError, SettingsError, SwaplineError


class Commands(click.Group):
    """Our own commands, and those of the packages installed beside this one; loaded when they are named."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """All names, sorted."""
        return sorted({*super().list_commands(ctx), *(point.name for point in self._others())})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of this name, or None."""
        own = super().get_command(ctx, cmd_name)
        if own is not None:
            return own
        command: Any = next((point.load() for point in self._others() if point.name == cmd_name), None)
        return command if isinstance(command, click.Command) else None

    @staticmethod
    def _others() -> list[Any]:
        return list(entry_points(group="swapline.commands"))


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="swapline-producer", prog_name="swapline")
@click.pass_context
def swapline(ctx: click.Context) -> None:
    """Face-swap jobs: none lost, none paid twice, no slot idle.

    Settings are read from SWAPLINE_* in the environment and from .env.
    Exit codes: 0 done, 1 failed, 2 usage, 3 not finished.
    """
    if ctx.invoked_subcommand != "doctor":  # which has a line for each
        _warn_of_misspelt_settings()


def _warn_of_misspelt_settings() -> None:
    """Print one line on standard error where settings are misspelt."""
    from swapline_producer.setting_names import misspelt  # noqa: PLC0415 -- not loaded for --help and completion

    if found := misspelt():
        warn(f"swapline: warning: {' '.join(map(str, found))}")


for command in (
    enqueue,
    batch,
    jobs,
    keys,
    slots,
    credits_,
    limits,
    accounts,
    janitor,
    doctor,
    completion,
    after_restore,
    webhooks,
):
    swapline.add_command(command)


def _check_unicode(arguments: list[str]) -> None:
    """Refuse bytes that are no UTF-8: no id, name or value has any. A file's name may."""
    for argument in arguments:
        if not argument.isprintable() and not os.path.lexists(argument):
            try:
                argument.encode()
            except UnicodeEncodeError:
                raise click.UsageError(f"The argument {argument!r} is not UTF-8.") from None


def main() -> None:
    """Run the command; what a user did wrong is one sentence, never a traceback."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):  # a terminal that knows only ASCII gets a ? for a bar, and no traceback
            stream.reconfigure(errors="replace")
    try:
        _check_unicode(sys.argv[1:])
        sys.exit(swapline(standalone_mode=False))
    except click.Abort:
        warn("Aborted!")
        sys.exit(FAILED)
    except click.ClickException as error:
        usage = StringIO()
        error.show(usage)
        warn(usage.getvalue().expandtabs(4).rstrip("\n"), lines=True)  # a usage has lines and tabs
        sys.exit(error.exit_code)
    except (RequestError, SettingsError) as error:
        complain(error)
        sys.exit(USAGE)
    except SwaplineError as error:
        complain(error)
        sys.exit(FAILED)
    except OSError as error:  # a folder that is a file, a full disk, a file that belongs to somebody else
        complain(error)
        sys.exit(FAILED)
