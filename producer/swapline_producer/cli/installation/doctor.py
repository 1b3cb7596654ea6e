"""`swapline doctor`."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click
from rich.text import Text

from swapline_producer.cli.options import Finite, as_json_option
from swapline_producer.terminal.output import DONE, FAILED, out, print_json

if TYPE_CHECKING:
    from swapline_producer.operations.doctor import Finding

MARKS = {"ok": ("ok", "green"), "warn": ("warn", "yellow"), "fail": ("FAIL", "bold red"), "unchecked": ("-", "dim")}


@click.command()
@click.option("--flower-url", metavar="URL", help="Where Flower is, if not at SWAPLINE_FLOWER_URL.")
@click.option("--timeout", type=Finite(0.1, 120), default=10.0, show_default=True, help="Seconds of a call.")
@click.option("--strict", is_flag=True, help="Exit with 1 on a warning, too.")
@as_json_option
def doctor(flower_url: str | None, timeout: float, *, strict: bool, as_json: bool) -> None:
    """Examine the installation: what is well, what is not, and what to do. Spends no credit and moves no job.

    Looks at settings, Redis, object storage, vendor, webhook secrets, clocks, workers, the line and Flower, as far as
    they can be seen from here. Exit code 0: nothing fails; 1: something does.

    \b
    Examples:
      swapline doctor
      swapline doctor --json --strict
    """  # noqa: D301 -- click's mark for a block that keeps its lines
    from swapline_producer.operations.doctor.checks import rounds  # noqa: PLC0415 -- not loaded for --help

    findings = []
    for finding in rounds(flower_url=flower_url, timeout=timeout):
        findings.append(finding)
        if not as_json:
            _print(finding)
    bad = [finding for finding in findings if finding.verdict in {"fail", *(("warn",) if strict else ())}]
    if as_json:
        print_json({"ok": not bad, "checks": [finding.model_dump() for finding in findings]})
    else:
        out.print(_summary(findings))
    sys.exit(FAILED if bad else DONE)


def _print(finding: Finding) -> None:
    mark, style = MARKS[finding.verdict]
    out.print(Text.assemble((f"{mark:5}", style), (f"{finding.name:18}", "bold"), finding.found))
    if finding.advice:
        out.print(Text(f"{'':23}-> {finding.advice}", style=style))


def _summary(findings: list[Finding]) -> Text:
    counted = {verdict: sum(finding.verdict == verdict for finding in findings) for verdict in MARKS}
    text = Text()
    for verdict, number in counted.items():
        if number:
            text.append(f"{number} {verdict}  ", style=MARKS[verdict][1])
    return text
