"""`swapline up`, `redis` and `demo`. Imports little: every command loads it."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from collections.abc import Callable

_PORT = click.IntRange(1, 65_535)
_PORT_OR_ZERO = click.IntRange(0, 65_535)


def _dir_option(default: str, text: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    path = click.Path(file_okay=False, path_type=Path)
    return click.option("--dir", "folder", type=path, default=Path(default), show_default=True, help=text)


@click.command()
@_dir_option(".swapline/redis", "Where its data and password are kept.")
@click.option("--port", type=_PORT_OR_ZERO, default=0, help="0: the one it had last, or a free one.")
@click.option("--repair", is_flag=True, help="Do not start it: cut off what a power cut left half written.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def redis(folder: Path, port: int, *, repair: bool, as_json: bool) -> None:
    """Run the embedded server alone until Ctrl-C or SIGTERM; its data stay in the folder.

    \b
    Prints its URL, password included, first: SWAPLINE_REDIS_URL for everything else.

    \b
    Examples:
      swapline redis --dir ./redis --port 6380
      swapline redis --dir ./redis --repair
    """  # noqa: D301 -- click's mark for a preformatted block
    if repair:
        _repair(folder, as_json=as_json)
        return
    from swapline_workers.local.supervision.supervisor import Backoff, StopRequested, Supervisor  # noqa: PLC0415 -- slow
    from swapline_workers.local.valkey.server import EmbeddedValkey  # noqa: PLC0415 -- slow

    server = EmbeddedValkey(folder, port=port)
    try:
        with Supervisor(report=lambda sentence: click.echo(f"swapline: {sentence}", err=True)) as supervisor:
            supervisor.start(server, restart=Backoff())
            facts = {"url": server.url, "pid": server.pid, "dir": str(server.folder)}
            click.echo(json.dumps(facts) if as_json else server.url)
            if not as_json:
                click.echo(f"Its data are in {server.folder}. Ctrl-C stops it.", err=True)
            supervisor.run()
    except StopRequested:
        click.echo("swapline: the embedded server has stopped; its data are kept.", err=True)


def _repair(folder: Path, *, as_json: bool) -> None:
    from swapline_workers.local.valkey.aof_repair import repair  # noqa: PLC0415 -- only this option needs it

    done = repair(folder.absolute())
    if as_json:
        facts = {"file": str(done.file), "copy": str(done.copy)} if done else {"file": None, "copy": None}
        numbers = {"kept": done.kept, "cut": done.cut} if done else {"kept": None, "cut": 0}
        click.echo(json.dumps({**facts, **numbers, "later_writes": bool(done and done.later_writes)}))
    elif done is None:
        click.echo(f"The data in {folder} are whole; nothing was changed.")
    else:
        click.echo(f"Cut {done.cut} bytes off {done.file.name} and kept {done.kept}; as it was, it is in {done.copy}.")
    if done and done.later_writes:
        sentence = (
            "swapline: whole writes lay behind the damage and are cut off, too: start the server, and run "
            "`swapline after-restore` before the first worker, or jobs that ran may be paid twice."
        )
        click.echo(sentence, err=True)


@click.command()
@click.option(
    "--photo",
    "photos",
    multiple=True,
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="A photograph of yours; may be given several times.",
)
@click.option("--keep", is_flag=True, help="Keep everything running after the last job, until Ctrl-C.")
@click.option("--logs", is_flag=True, help="Show what every service writes to its log, too.")
@_dir_option(".demo", "Each run gets a numbered folder in here.")
def demo(photos: tuple[Path, ...], folder: Path, *, keep: bool, logs: bool) -> None:
    """Run photographs through the whole system, with a simulated vendor, and show the results.

    \b
    Example: swapline demo --photo me.jpg --keep
    """  # noqa: D301 -- click's mark for a preformatted block
    from swapline_workers.local.demo.main import run_demo  # noqa: PLC0415 -- slow

    sys.exit(0 if run_demo(photos, folder, keep=keep, logs=logs) else 1)


def _parse_without(_context: click.Context, _parameter: click.Parameter, value: tuple[str, ...]) -> frozenset[str]:
    names = frozenset(name.strip() for text in value for name in text.split(",") if name.strip())
    if unknown := names - {"board", "metrics", "flower", "gateway"}:
        raise click.BadParameter(f"{', '.join(sorted(unknown))} is none of board, gateway, metrics, flower.")
    return names


@click.command()
@_dir_option(".swapline", "Where data, passwords and logs are kept; with --simulated in `simulated` in there.")
@click.option(
    "--redis-url",
    help="Use this server instead of the embedded one; SWAPLINE_REDIS_URL does the same, but with --simulated.",
)
@click.option("--workers", type=click.IntRange(1, 64), help="Worker processes.  [default: one for each core]")
@click.option(
    "--simulated", is_flag=True, help="Start the simulated vendor, and spend nothing; in a folder of its own."
)
@click.option(
    "--mode",
    "modes",
    multiple=True,
    metavar="MODE[=AMOUNT][@SHARE]",
    help="How the simulated vendor misbehaves; may be given again. `swapline simulator --list-modes` shows all.",
)
@click.option("--adopt", is_flag=True, help="The vendor has moved here: as `swapline accounts adopt`, once.")
@click.option(
    "--without", multiple=True, callback=_parse_without, help="Parts to do without: board, gateway, metrics, flower."
)
@click.option("--host", default="127.0.0.1", show_default=True, help="Where board, gateway, metrics and Flower listen.")
@click.option("--board-port", type=_PORT, default=5556, show_default=True)
@click.option("--gateway-port", type=_PORT, default=8080, show_default=True)
@click.option("--metrics-port", type=_PORT, default=9810, show_default=True)
@click.option("--flower-port", type=_PORT, default=5555, show_default=True)
@click.option("--simulator-port", type=_PORT, default=8900, show_default=True)
@click.option("--redis-port", type=_PORT_OR_ZERO, default=0, help="0: the one it had last, or a free one.")
def up(  # noqa: PLR0913 -- an argument for each option
    folder: Path,
    redis_url: str | None,
    workers: int | None,
    without: frozenset[str],
    host: str,
    modes: tuple[str, ...],
    *,
    simulated: bool,
    adopt: bool,
    **ports: int,
) -> None:
    """Run the whole system on this host until Ctrl-C or SIGTERM: server, workers, board, gateway, metrics, Flower.

    \b
    One log of everything is printed here. Stopping finishes the work in progress, and keeps all data.
    Examples:
      swapline up --simulated                # try it: no vendor, nothing spent
      swapline up --simulated --mode status_504@0.1
      swapline up                            # SWAPLINE_API_BASE_URL, _API_KEY and _API_KEY_HEADER say which vendor
    """  # noqa: D301 -- click's mark for a preformatted block
    if modes and not simulated:
        raise click.UsageError("--mode is the simulated vendor's: it needs --simulated.")
    from swapline_workers.local.up.main import run_up  # noqa: PLC0415 -- slow
    from swapline_workers.local.up.options import UpOptions  # noqa: PLC0415 -- slow

    options = UpOptions(
        folder=folder / "simulated" if simulated else folder,
        redis_url=redis_url,
        redis_port=ports.pop("redis_port"),
        workers=workers,
        host=host,
        ports={name.removesuffix("_port"): port for name, port in ports.items()},
        without=without,
        simulated=simulated,
        modes=modes,
        adopt=adopt,
    )
    run_up(options)
