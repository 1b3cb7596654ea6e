"""`swapline metrics`."""

from __future__ import annotations

import signal

import click

PORT = 9810
"""Free in Prometheus' list of exporters' ports."""


@click.command()
@click.option("--host", help="The address to serve at; SWAPLINE_METRICS_HOST otherwise, which is 127.0.0.1.")
@click.option("--port", type=click.IntRange(0, 65_535), default=PORT, show_default=True, help="0: any free one.")
@click.option("--once", is_flag=True, help="Print the metrics and end.")
def metrics(host: str | None, port: int, *, once: bool) -> None:
    """Serve Prometheus metrics of the whole system until Ctrl-C or SIGTERM, read from the ledger for each scrape.

    \b
    Beyond loopback a password is needed: SWAPLINE_METRICS_PASSWORD or SWAPLINE_METRICS_PASSWORD_FILE (user: metrics).
    One of these is enough for any number of workers. Examples:
      swapline metrics --once
      swapline metrics --host 0.0.0.0
    """  # noqa: D301 -- click's mark for a block that keeps its lines
    # The command line of every other command would wait for these imports too.
    from prometheus_client import CollectorRegistry, generate_latest  # noqa: PLC0415 -- see above

    from swapline_producer.ledger import Ledger, connect  # noqa: PLC0415 -- see above
    from swapline_producer.settings import load  # noqa: PLC0415 -- see above
    from swapline_workers.settings import MetricsSettings  # noqa: PLC0415 -- see above
    from swapline_workers.telemetry.metrics.collector import SystemCollector  # noqa: PLC0415 -- see above
    from swapline_workers.telemetry.metrics.serving import serving  # noqa: PLC0415 -- see above

    settings = load(MetricsSettings)
    # Two tries of two seconds each are over before Prometheus stops waiting for a scrape, which is after ten.
    ledger = Ledger(connect(settings.redis_url, timeout=2.0, retries=1), settings.key_prefix)
    if once:
        ledger.stats.snapshot()  # a ledger that is away is one sentence here, and exit code 1
    registry = CollectorRegistry()
    registry.register(SystemCollector(ledger.stats.snapshot))
    if once:
        click.echo(generate_latest(registry).decode(), nl=False)
        return
    stopping = (signal.SIGINT, signal.SIGTERM)
    signal.pthread_sigmask(signal.SIG_BLOCK, stopping)
    with serving(registry, host or settings.metrics_host, [port], settings.metrics_secret) as url:
        click.echo(url)
        signal.sigwait(stopping)
