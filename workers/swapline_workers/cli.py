"""`swapline worker`: a thin face on `celery worker`."""

from __future__ import annotations

import os

import click

from swapline_producer.contract import Step

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
@click.option("-l", "--log-level", type=LEVELS, help="How much is told; else SWAPLINE_LOG_LEVEL, which is INFO.")
def worker(concurrency: int | None, steps: tuple[str, ...], name: str, log_level: str | None) -> None:
    """Run a worker until SIGTERM; it then finishes what it has in hand.

    \b
    Example: swapline worker --concurrency 16
    """  # noqa: D301 -- click's mark for a block that keeps its lines
    if log_level is not None:
        os.environ["SWAPLINE_LOG_LEVEL"] = log_level
    from swapline_workers.entry import app  # noqa: PLC0415 -- settings are read when a worker is wanted, not for --help
    from swapline_workers.logs import begin_logging  # noqa: PLC0415 -- the same

    begin_logging()  # before Celery, which warns of this and that while it starts
    arguments = ["--quiet", "worker", "--without-gossip", "--without-mingle", "-n", name]
    if concurrency is not None:
        arguments += ["-c", str(concurrency)]
    if steps:
        prefix = app.conf.task_default_queue.removesuffix(f".{Step.SUBMIT}")
        arguments += ["-Q", ",".join(Step(step).queue(prefix) for step in steps)]
    app.worker_main(arguments)
