"""Draws the parts of the documentation that are facts of the code: `make docs`. A test compares."""

from __future__ import annotations

import json
import sys
from html import escape
from inspect import cleandoc
from pathlib import Path
from textwrap import indent
from typing import TYPE_CHECKING

import click

from swapline_gateway.app import build_app
from swapline_gateway.service import Service
from swapline_gateway.settings import GatewaySettings
from swapline_producer.cli import swapline
from swapline_producer.contract import FINISHED, FailureCode, State
from swapline_producer.contract.jobs.failures import FAILURES
from swapline_producer.contract.transitions import TABLE
from swapline_producer.testing import FakeProducer
from swapline_workers.board.settings import BoardSettings
from swapline_workers.core.lifecycle import ROUTES
from swapline_workers.settings import WorkerSettings
from swapline_workers.telemetry.metrics.catalog import SYSTEM, UP, UP_HELP
from swapline_workers.telemetry.worker_metrics import WORKER_METRICS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pydantic.fields import FieldInfo

HERE = Path(__file__).parent

HEAD = """# Lifecycle of a job

Drawn from the functions in `producer/swapline_producer/contract/transitions` by `make docs`; a test keeps the two
together. Nothing can happen to a job that is not on this page: a step that tries is stopped by an error.

A slot of the vendor's is held in SUBMITTING and RUNNING, and in HELD until the job is resolved or its run timeout is
over.
"""

ROUTES_HEAD = """
## Which step acts on a job that is due

Every job that has a step to run has exactly one entry in `due`. When its time has come, a due dispatcher sends
the step below. `+pending` means that its webhook is still to be delivered,
`+canceling` that it is to be canceled and its slot is free.

| state | step |
|---|---|
"""


def lifecycle() -> str:
    """`docs/lifecycle.md`."""
    order = list(State)
    table = sorted(TABLE, key=lambda one: (order.index(one.source), order.index(one.target), one.name))
    arrows = dict.fromkeys((one.source, one.target) for one in table if one.source is not one.target)
    chart = "\n".join(f"    {source} --> {target}" for source, target in arrows)
    ends = "\n".join(f"    {state} --> [*]" for state in State if state in FINISHED)
    rows = "\n".join(f"| {one.source} | {one.target} | `{one.name}` | {one.when} |" for one in table)
    routes = "\n".join(f"| {state} | `{step.task}` |" for state, step in ROUTES.items())
    return (
        f"{HEAD}\n```mermaid\nstateDiagram-v2\n    [*] --> QUEUED\n{chart}\n{ends}\n```\n\n"
        f"## Every transition\n\n| from | to | change | when |\n|---|---|---|---|\n{rows}\n{ROUTES_HEAD}{routes}\n"
    )


METRICS_HEAD = """# Metrics

Drawn from `workers/swapline_workers/telemetry/` by `make docs`; a
test keeps them together. How to read, serve and protect them: [monitoring](guides/monitoring.md).

## Of the system

From `swapline metrics`, read from the ledger: exact over all processes, kills and restarts.

| name | kind | label | meaning |
|---|---|---|---|
"""

WORKER_HEAD = """
## Of each worker process

From the worker itself, where `SWAPLINE_METRICS_PORT` is set. They begin with the process. Beside these there are
Prometheus' usual `process_*` (CPU, memory, open files) and `python_gc_*`.

| name | kind | labels | meaning |
|---|---|---|---|
"""


def metrics() -> str:
    """`docs/metrics.md`."""
    system = "\n".join(f"| `{one.name}` | {one.kind} | {one.label} | {one.help} |" for one in SYSTEM)
    worker = "\n".join(
        f"| `{name}` | {kind} | {', '.join(labels)} | {meaning} |" for name, kind, labels, meaning in WORKER_METRICS
    )
    return f"{METRICS_HEAD}| `{UP}` | gauge |  | {UP_HELP} |\n{system}\n{WORKER_HEAD}{worker}\n"


FAILURES_HEAD = """# Failure codes

Drawn from `producer/swapline_producer/contract/jobs/failures.py` by `make docs`; a test keeps the two together.

`failure_code` of a job that did not succeed. The first five are the vendor's own words. "Charged" is what the vendor's
page and our measurements say; where it is not known, it is marked unknown.

| code | meaning | charged | what to do |
|---|---|---|---|
"""


def failure_codes() -> str:
    """`docs/failure-codes.md`."""
    return FAILURES_HEAD + "".join(f"| {code} | {' | '.join(FAILURES[code])} |\n" for code in FailureCode)


SETTINGS_HEAD = """# Settings

Drawn from the code by `make docs`; a test keeps them together. Settings are read from the environment (prefix
`SWAPLINE_`) and from `.env`. Each can lie in a file instead, as secrets should:
`SWAPLINE_API_KEY_FILE=/run/secrets/api_key`. Every command warns on standard error of a `SWAPLINE_…` that is none of
these.
"""

SECTIONS = {
    "The vendor": (
        "api_",
        "max_in_flight",
        "submit_rate",
        "credits_per_day",
        "status_timeout",
        "submit_timeout",
        "https_proxy",
    ),
    "Redis and object storage": ("redis_", "storage_", "key_prefix"),
    "Jobs": ("queue_ttl", "run_timeout", "on_ambiguous_submit", "rescue_after", "lost_after", "poll_"),
    "Pictures": ("prepare", "require_", "strip_metadata", "variants", "clean_", "keep_original", "digital_", "c2pa_"),
    "Webhooks": ("webhook_",),
    "What is kept": ("input_", "result_", "job_ttl"),
    "The gateway": ("gateway_",),
    "Metrics, logs and pages": ("metrics_", "log_", "flower_", "board_"),
    "A worker process": ("",),
}
"""Headings of the settings page -> how the names under them begin."""

MORE_ABOUT = {
    "redis_url": "guides/redis.md",
    "redis_replicas": "guides/redis.md#what-a-fail-over-can-lose",
    "storage_url": "guides/storage.md",
    "storage_public_url": "guides/storage.md#public-links",
    "api_base_url": "guides/running.md#which-vendor-a-ledger-belongs-to",
    "max_in_flight": "guides/running.md#changing-a-limit",
    "https_proxy": "guides/running.md#through-an-egress-proxy",
    "poll_budget": "polling.md",
    "on_ambiguous_submit": "guides/held-jobs.md",
    "webhook_secrets": "guides/receiving-webhooks.md#keys",
    "prepare": "guides/pictures.md",
    "require_face": "guides/pictures.md#a-face",
    "variants": "guides/pictures.md#after-variants",
    "digital_source_type": "guides/pictures.md#what-the-law-asks",
    "c2pa_certificate": "guides/pictures.md#signed-manifests",
    "input_ttl": "guides/personal-data.md",
    "log_format": "guides/logs-and-traces.md",
    "metrics_port": "guides/monitoring.md",
    "board_password": "guides/board.md",
    "gateway_rate": "guides/gateway.md#limits",
}


def settings() -> str:
    """`docs/settings.md`."""
    fields = {**WorkerSettings.model_fields, **BoardSettings.model_fields, **GatewaySettings.model_fields}
    page, shown = SETTINGS_HEAD, set()
    for heading, beginnings in SECTIONS.items():
        page += f"\n## {heading}\n\n| name | default | meaning |\n|---|---|---|\n"
        for name in sorted(fields.keys() - shown):
            if name.startswith(beginnings):
                shown.add(name)
                page += _setting(name, fields[name])
    return page


def _setting(name: str, field: FieldInfo) -> str:
    more = f" ([more]({MORE_ABOUT[name]}))" if name in MORE_ABOUT else ""
    return f"| {name.upper()} | {_default(field)} | {field.description}{more} |\n"


def _default(field: FieldInfo) -> str:
    value = field.default
    if field.is_required():
        return "required"
    if value is None or value in {"", ()}:
        return "none"
    if isinstance(value, tuple):
        return ", ".join(f"{one:g}" for one in value)
    if isinstance(value, float):
        return f"{value:.10g}"
    return str(value).lower() if isinstance(value, bool) else str(value)


COMMANDS_HEAD = """# Commands

Drawn from the commands by `make docs`; a test keeps the two together. `swapline COMMAND --help` has the same.
"""


def commands() -> str:
    """`docs/commands.md`."""
    return COMMANDS_HEAD + "".join(_command(swapline, "swapline", click.Context(swapline, info_name="swapline")))


def _command(command: click.Command, name: str, context: click.Context) -> Iterator[str]:
    """Draw a command, then those under it."""
    usage = " ".join([name, *command.collect_usage_pieces(context)])
    yield f"\n## {name}\n\n```text\n{usage}\n```\n\n{_help(command)}\n"
    options = [record for one in command.params if (record := one.get_help_record(context)) and one.name != "help"]
    if options:
        rows = "".join(f"| `{names}` | {_cell(text)} |\n" for names, text in options)
        yield f"\n| option | meaning |\n|---|---|\n{rows}"
    if isinstance(command, click.Group):
        for child in command.list_commands(context):
            found = command.get_command(context, child)
            if found is not None and not found.hidden:
                yield from _command(found, f"{name} {child}", click.Context(found, info_name=child, parent=context))


def _help(command: click.Command) -> str:
    """A command's help as Markdown: what is laid out by hand stays so."""
    parts = cleandoc(command.help or "").split("\n\n")
    return "\n\n".join(
        "```text\n" + part.removeprefix("\b\n") + "\n```" if part.startswith("\b\n") else escape(part, quote=False)
        for part in parts
    )


def _cell(text: str) -> str:
    plain = escape(text, quote=False).replace("[", "\\[")  # no link
    return plain.replace("|", "\\|").replace("\n", " ")


RULES = "../ops/k8s/components/prometheus-operator/rules.yaml"

RULES_HEAD = """# Drawn from ops/prometheus/alerts.yml by `make docs`. Your Prometheus says where runbooks are served:
# `spec.externalLabels.runbooks`.
apiVersion: monitoring.coreos.com/v1
kind: PrometheusRule
metadata:
  name: swapline
  labels: {app.kubernetes.io/name: swapline}
spec:
"""


def rules() -> str:
    """The alerts as a resource of the Prometheus operator."""
    alerts = (HERE.parent / "ops" / "prometheus" / "alerts.yml").read_text()
    groups = alerts[alerts.index("groups:") :]
    return RULES_HEAD + indent(groups, "  ")


def celery() -> str:
    """Draw what Celery's commands, options and signals do, from the table of the test that tries each."""
    sys.path.insert(0, str(HERE.parent / "tests"))
    from support.celery.table import page  # noqa: PLC0415 -- beside the tests

    return page()


def openapi() -> str:
    """`docs/openapi.json`."""
    settings = GatewaySettings.model_construct(gateway_max_body=0)
    app = build_app(Service(FakeProducer(), settings))
    return json.dumps(app.openapi(), indent=2, ensure_ascii=False) + "\n"


PAGES = {
    "lifecycle.md": lifecycle,
    "metrics.md": metrics,
    "failure-codes.md": failure_codes,
    "settings.md": settings,
    "commands.md": commands,
    "openapi.json": openapi,
    RULES: rules,
    "celery.md": celery,
}


def main() -> None:
    """Write every drawn page."""
    for name, draw in PAGES.items():
        (HERE / name).write_text(draw())


if __name__ == "__main__":
    main()
