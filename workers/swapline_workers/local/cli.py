"""`swapline up`, `swapline redis` and `swapline demo`."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import click


@click.command()
@click.option(
    "--dir",
    "folder",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path(".swapline/redis"),
    show_default=True,
    help="Where its data and password are kept.",
)
@click.option("--port", type=click.IntRange(0, 65535), default=0, help="0: the one it had last, or a free one.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def redis(folder: Path, port: int, *, as_json: bool) -> None:
    """Run the embedded server alone until Ctrl-C or SIGTERM; its data stay in the folder.

    \b
    Prints its URL, password included, first: SWAPLINE_REDIS_URL for everything else.

    \b
    Example: swapline redis --dir ./redis --port 6380
    """  # noqa: D301 -- click's mark for a block that keeps its lines
    # The command line of every other command would wait for these imports too.
    from swapline_workers.local.supervisor import Backoff, StopRequested, Supervisor  # noqa: PLC0415 -- see above
    from swapline_workers.local.valkey import EmbeddedValkey  # noqa: PLC0415 -- see above

    server = EmbeddedValkey(folder, port=port)
    try:
        with Supervisor(tell=lambda sentence: click.echo(f"swapline: {sentence}", err=True)) as supervisor:
            supervisor.start(server, restart=Backoff())
            facts = {"url": server.url, "pid": server.pid, "dir": str(server.folder)}
            click.echo(json.dumps(facts) if as_json else server.url)
            if not as_json:
                click.echo(f"Its data are in {server.folder}. Ctrl-C stops it.", err=True)
            supervisor.run()
    except StopRequested:
        click.echo("swapline: the embedded server has stopped; its data are kept.", err=True)


@click.command()
@click.option(
    "--photo",
    "photos",
    multiple=True,
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="A photograph of yours; may be given several times.",
)
@click.option("--keep", is_flag=True, help="Keep everything up for a look at Flower, until Ctrl-C.")
@click.option("--logs", is_flag=True, help="Show what every service writes to its log, too.")
@click.option(
    "--dir",
    "folder",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path(".demo"),
    show_default=True,
    help="Each run gets a numbered folder in here.",
)
def demo(photos: tuple[Path, ...], folder: Path, *, keep: bool, logs: bool) -> None:
    """Take photographs through the whole system, every part of it real but the vendor, and show what came out.

    \b
    Example: swapline demo --photo me.jpg --keep
    """  # noqa: D301 -- click's mark for a block that keeps its lines
    from swapline_workers.local.demo.main import run_demo  # noqa: PLC0415 -- see above

    sys.exit(0 if run_demo(photos, folder, keep=keep, logs=logs) else 1)


def _chosen(_context: click.Context, _parameter: click.Parameter, value: tuple[str, ...]) -> frozenset[str]:
    """Read `--without board,flower`, which may also be given several times."""
    names = frozenset(name.strip() for text in value for name in text.split(",") if name.strip())
    if wrong := names - {"board", "metrics", "flower"}:
        raise click.BadParameter(f"{', '.join(sorted(wrong))} is none of board, metrics, flower.")
    return names


_PORT = click.IntRange(1, 65_535)


@click.command()
@click.option(
    "--dir",
    "folder",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path(".swapline"),
    show_default=True,
    help="Where data, passwords and logs are kept; with --simulated in `simulated` in there.",
)
@click.option(
    "--redis-url",
    help="Use this server instead of the embedded one; SWAPLINE_REDIS_URL does the same, but with --simulated.",
)
@click.option("--workers", type=click.IntRange(1, 64), help="Worker processes.  [default: one for each core]")
@click.option(
    "--simulated", is_flag=True, help="Start the simulated vendor, and spend nothing; in a folder of its own."
)
@click.option("--adopt", is_flag=True, help="The vendor has moved here: as `swapline accounts adopt`, once.")
@click.option("--without", multiple=True, callback=_chosen, help="Parts to do without: board, metrics, flower.")
@click.option("--host", default="127.0.0.1", show_default=True, help="Where board, metrics and Flower listen.")
@click.option("--board-port", type=_PORT, default=5556, show_default=True)
@click.option("--metrics-port", type=_PORT, default=9810, show_default=True)
@click.option("--flower-port", type=_PORT, default=5555, show_default=True)
@click.option("--simulator-port", type=_PORT, default=8900, show_default=True)
@click.option("--redis-port", type=click.IntRange(0, 65_535), default=0, help="0: the one it had last, or a free one.")
def up(
    folder: Path,
    redis_url: str | None,
    workers: int | None,
    without: frozenset[str],
    host: str,
    *,
    simulated: bool,
    adopt: bool,
    **ports: int,
) -> None:
    """Run the whole system on this host until Ctrl-C or SIGTERM: server, workers, board, metrics and Flower.

    \b
    One log of everything is printed here. Stopping finishes what is in hand, and keeps all data.
    Examples:
      swapline up --simulated                # try it: no vendor, nothing spent
      swapline up                            # SWAPLINE_API_BASE_URL, _API_KEY and _API_KEY_HEADER say which vendor
    """  # noqa: D301 -- click's mark for a block that keeps its lines
    from swapline_workers.local.up.main import UpOptions, run_up  # noqa: PLC0415 -- see above

    wishes = UpOptions(
        folder=folder / "simulated" if simulated else folder,
        redis_url=redis_url,
        redis_port=ports.pop("redis_port"),
        workers=workers,
        host=host,
        ports={name.removesuffix("_port"): port for name, port in ports.items()},
        without=without,
        simulated=simulated,
        adopt=adopt,
    )
    run_up(wishes)
