"""The root of the `swapline` command."""

from __future__ import annotations

import os
import sys
from io import StringIO, TextIOWrapper

import click

from swapline_producer import __version__
from swapline_producer.cli.lazy import Commands
from swapline_producer.errors import RequestError, SettingsError, SwaplineError
from swapline_producer.terminal.output import FAILED, USAGE, complain, warn


def _print_version(ctx: click.Context, _: click.Parameter, asked: bool) -> None:
    if asked and not ctx.resilient_parsing:
        here = os.path.dirname(os.path.dirname(os.path.dirname(__file__)))  # noqa: PTH120 -- pathlib takes 10 ms to load
        click.echo(f"swapline {__version__} from {here} (Python {sys.version.partition(' ')[0]})")
        ctx.exit()


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--version",
    is_flag=True,
    expose_value=False,
    is_eager=True,
    callback=_print_version,
    help="Show the version and where it runs from.",
)
@click.pass_context
def swapline(ctx: click.Context) -> None:
    """Face-swap jobs: none lost, none paid twice, no slot idle.

    Settings are read from SWAPLINE_* in the environment and from .env.
    Exit codes: 0 done, 1 failed, 2 usage, 3 not finished.
    """
    if ctx.invoked_subcommand != "doctor":  # which has a line for each
        _warn_of_misspelt_settings()


def _warn_of_misspelt_settings() -> None:
    from swapline_producer.environment.setting_names import misspelt  # noqa: PLC0415 -- not for --help and completion

    if found := misspelt():
        warn(f"swapline: warning: {' '.join(map(str, found))}")


def _check_unicode(arguments: list[str]) -> None:
    """Refuse bytes that are no UTF-8, but in a file's name."""
    for argument in arguments:
        if not argument.isprintable() and not os.path.lexists(argument):
            try:
                argument.encode()
            except UnicodeEncodeError:
                raise click.UsageError(f"The argument {argument!r} is not UTF-8.") from None


def main() -> None:
    """Run the command; a user's mistake is one sentence, never a traceback."""
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
    except (SwaplineError, OSError) as error:  # OSError: a folder that is a file, a full disk, another's file
        complain(error)
        sys.exit(FAILED)
