"""`swapline worker` and `swapline flower`, which run Celery's."""

from __future__ import annotations

import os
from importlib.util import find_spec
from pathlib import Path

import click

from swapline_producer.contract import Step
from swapline_producer.environment.service_links import is_service_link

FLOWER_CONFIG = Path(__file__).parent / "web" / "flowerconfig.py"

LEVELS = click.Choice(["DEBUG", "INFO", "WARNING", "ERROR"], case_sensitive=False)


@click.command()
@click.option("-c", "--concurrency", type=click.IntRange(1, 1000), help="Steps at once in this process.")
@click.option(
    "-s",
    "--step",
    "steps",
    multiple=True,
    type=click.Choice([step.value for step in Step]),
    help="Work on these steps only; may be given several times.",
)
@click.option("-n", "--name", default="swapline@%h", show_default=True, help="The worker's name in Flower.")
@click.option("-l", "--log-level", type=LEVELS, help="Least level that is logged; else SWAPLINE_LOG_LEVEL (INFO).")
@click.option("--adopt", is_flag=True, help="The vendor has moved here: as `swapline accounts adopt`, once.")
def worker(concurrency: int | None, steps: tuple[str, ...], name: str, log_level: str | None, *, adopt: bool) -> None:
    """Run a worker until SIGTERM; it then finishes the steps in progress.

    \b
    Example: swapline worker --concurrency 16
    """  # noqa: D301 -- click's mark for a block that keeps its lines
    if log_level is not None:
        os.environ["SWAPLINE_LOG_LEVEL"] = log_level
    if adopt:
        _adopt()
    from swapline_workers.dispatch.command import run_celery_worker  # noqa: PLC0415 -- loads Celery
    from swapline_workers.entry import app  # noqa: PLC0415 -- settings are read when a worker is wanted, not for --help
    from swapline_workers.telemetry.logs import begin_logging  # noqa: PLC0415 -- the same

    begin_logging()  # before Celery, which warns of this and that while it starts
    arguments = ["--without-gossip", "--without-mingle", "-n", name]
    if concurrency is not None:
        arguments += ["-c", str(concurrency)]
    if steps:
        prefix = app.conf.task_default_queue.removesuffix(f".{Step.SUBMIT}")
        arguments += ["-Q", ",".join(Step(step).queue(prefix) for step in steps)]
    run_celery_worker(app, arguments)


def _adopt() -> None:
    from swapline_producer.ledger import open_ledger  # noqa: PLC0415 -- only who adopts loads it
    from swapline_producer.operations.vendors import adopt_vendor  # noqa: PLC0415 -- the same
    from swapline_producer.settings import load  # noqa: PLC0415 -- the same
    from swapline_workers.settings import WorkerSettings  # noqa: PLC0415 -- the same

    settings = load(WorkerSettings)
    adopt_vendor(open_ledger(settings), settings)


@click.command(context_settings={"ignore_unknown_options": True})
@click.option(
    "--conf",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    default=FLOWER_CONFIG,
    show_default="the package's own",
    help="Flower's settings.",
)
@click.argument("options", nargs=-1, type=click.UNPROCESSED)
def flower(conf: Path, options: tuple[str, ...]) -> None:
    """Run Flower, the live monitor, with Swapline's settings. It never starts without authentication.

    \b
    It asks for what FLOWER_BASIC_AUTH=user:password says. Every option of Flower's may follow.
    Example: FLOWER_BASIC_AUTH=me:… swapline flower --port=5555 --address=127.0.0.1
    """  # noqa: D301 -- click's mark for a block that keeps its lines
    if find_spec("flower") is None:
        raise click.ClickException("Flower is not installed: pip install 'swapline-workers[local]'.")
    _read_flower_options(options)
    from swapline_workers.entry import app  # noqa: PLC0415 -- as above

    app.start(["flower", f"--conf={conf}", *options])


def _read_flower_options(arguments: tuple[str, ...]) -> None:
    """Have Flower read its options now, so that a wrong one ends in a sentence; service links go."""
    from flower.command import (  # type: ignore[import-untyped]  # noqa: PLC0415 -- an extra, which ships no types
        apply_env_options,
        is_flower_option,
    )
    from tornado.options import Error, parse_command_line  # noqa: PLC0415 -- as above

    for name in [name for name, value in os.environ.items() if is_service_link(name, value)]:
        if name.startswith("FLOWER_"):
            del os.environ[name]
    try:
        apply_env_options()
        parse_command_line(["flower", *filter(is_flower_option, arguments)], final=False)
    except (ValueError, Error) as error:
        raise click.ClickException(f"An option of Flower's or a variable FLOWER_… is wrong: {error}.") from None
