"""`swapline simulator`. Imports little: every `swapline` command loads this module."""

from __future__ import annotations

import json
import os
import signal
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pydantic import ValidationError

    from swapline_simulator.config import SimulatorConfig


def _list_modes(context: click.Context, _option: click.Parameter, wanted: bool) -> None:
    from swapline_simulator.faults.modes import MODES  # noqa: PLC0415 -- slow

    if wanted:
        for mode, row in MODES.items():
            amount = f" ({row.amount:g} {row.unit})" if row.unit else ""
            click.echo(f"{mode:26}{row.meaning}{amount}")
        context.exit()


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", default=8900, show_default=True, type=click.IntRange(0, 65535), help="0 takes a free one.")
@click.option("--seed", help="Of all random numbers.  [default: random, and printed]")
@click.option("--key", help="The key that callers must send.  [default: sim-key]")
@click.option("--key-header", help="The header that carries it.  [default: X-API-Key]")
@click.option("--key-prefix", help="Before the key, e.g. 'Bearer '.")
@click.option("--cap", help="Jobs that the account may have at once.  [default: 3]")
@click.option("--over-cap", help="Above the cap: 429, 429-seconds, 429-date, queue or 400.  [default: 429]")
@click.option("--retry-after", help="Seconds that Retry-After asks for above the cap.  [default: 1]")
@click.option("--credits", help="Credits at the start.  [default: 1000000]")
@click.option("--service-time", help="fixed:2, lognormal:8,0.4 or bimodal:4,20,0.3.  [default: lognormal:8,0.4]")
@click.option("--fail-rate", help="Share of jobs that end FAILED.  [default: 0]")
@click.option(
    "--account",
    "accounts",
    multiple=True,
    help="A further account, e.g. name=b,key=b-key,cap=4,credits=100; may be given again.",
)
@click.option("--mode", multiple=True, help="MODE[=AMOUNT][@SHARE], e.g. status_504@0.1; may be given again.")
@click.option("--results", help="full (4 MB) or small (40 kB), of the same pixel size.  [default: full]")
@click.option("--result-ttl", help="Seconds after which a result is forgotten.  [default: 1800]")
@click.option(
    "--ready-file", type=click.Path(dir_okay=False, path_type=Path), help="Written when it listens: url, pid."
)
@click.option(
    "--list-modes", is_flag=True, is_eager=True, expose_value=False, callback=_list_modes, help="Show all modes."
)
def simulator(host: str, port: int, ready_file: Path | None, **fields: object) -> None:
    """Run the simulated vendor until it is stopped. Its page /_control/page shows jobs and charges.

    \b
    Example: swapline simulator --port 8900 --service-time lognormal:8,0.4
    """  # noqa: D301 -- click's mark for a preformatted block
    from swapline_simulator.errors import SimulatorError  # noqa: PLC0415 -- slow

    config = _config({name: value for name, value in fields.items() if value not in (None, ())})
    try:
        import asyncio  # noqa: PLC0415 -- slow

        asyncio.run(_serve(config, host, port, ready_file))
    except SimulatorError as error:
        raise click.ClickException(str(error)) from None


def _config(fields: dict[str, object]) -> SimulatorConfig:
    from pydantic import ValidationError  # noqa: PLC0415 -- slow

    from swapline_simulator.config import SimulatorConfig  # noqa: PLC0415 -- slow

    accounts: Any = fields.get("accounts", ())
    named = [dict(part.partition("=")[::2] for part in str(one).split(",")) for one in accounts]
    further = {one.pop("name", ""): one for one in named}
    if len(further) < len(named) or "" in further:
        raise click.UsageError("--account: each must have a name of its own: name=b,key=b-key.")
    try:
        return SimulatorConfig.model_validate(fields | {"accounts": further})
    except ValidationError as error:
        raise click.UsageError(_sentences(error)) from None


def _sentences(error: ValidationError) -> str:
    lines = []
    for one in error.errors():
        option = "--" + str(one["loc"][0]).replace("_", "-") if one["loc"] else "options"
        lines.append(f"{option}: {one['msg'].removeprefix('Value error, ')}.")
    return "\n".join(lines)


async def _serve(config: SimulatorConfig, host: str, port: int, ready_file: Path | None) -> None:
    import asyncio  # noqa: PLC0415 -- slow

    from swapline_simulator.api.server import listening  # noqa: PLC0415 -- slow

    stop = asyncio.Event()
    for name in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(name, stop.set)
    async with listening(config, host, port) as url:
        with _ready_file(ready_file, url):
            click.echo(f"Simulated vendor at {url} (seed {config.seed}, cap {config.cap}, {config.service_time})")
            await stop.wait()


@contextmanager
def _ready_file(ready_file: Path | None, url: str) -> Iterator[None]:
    """Keep a ready file while the vendor listens; it is written atomically."""
    if ready_file is None:
        yield
        return
    temporary = ready_file.with_name(f".{ready_file.name}.{os.getpid()}")
    try:
        temporary.write_text(json.dumps({"url": url, "pid": os.getpid()}), encoding="utf-8")
        temporary.replace(ready_file)
    except OSError as error:
        raise click.ClickException(f"Cannot write the ready file {ready_file}: {error.strerror}.") from None
    try:
        yield
    finally:
        ready_file.unlink(missing_ok=True)
