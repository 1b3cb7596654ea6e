"""`swapline redis` and `swapline demo`."""

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
