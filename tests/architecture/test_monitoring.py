"""Dashboard, alerts, runbooks and guide name what exists; Prometheus' own tool reads them."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import click
import pytest
import yaml

from support.programs.debian import needs
from swapline_producer.cli import swapline
from swapline_producer.contract import FINISHED, FailureCode, Priority, State
from swapline_workers.telemetry.metrics.catalog import SYSTEM, UP
from swapline_workers.telemetry.metrics.families import IDLE, KINDS, OUTCOMES
from swapline_workers.telemetry.worker_metrics import WORKER_METRICS

ROOT = Path(__file__).parents[2]
OPS = ROOT / "ops"
PROMETHEUS = OPS / "prometheus"
DASHBOARD = OPS / "grafana/swapline.json"
RUNBOOKS = sorted((OPS / "runbooks").glob("*.md"))

SERVED = {
    UP,
    *(
        f"{metric.name}{end}"
        for metric in (*SYSTEM, *WORKER_METRICS)
        for end in (("", "_bucket", "_sum", "_count") if metric.kind == "histogram" else ("",))
    ),
}
WORDS = {
    "state": {state.value for state in State},
    "code": {code.value for code in FailureCode},
    "priority": {priority.value for priority in Priority},
    "reason": {*KINDS, *IDLE},
    "outcome": {*OUTCOMES, "delivered", "dead"},
    "what": {"message", "move"},
    "pace": {"held", "instant"},
}


def rules() -> list[dict[str, Any]]:
    [group] = yaml.safe_load((PROMETHEUS / "alerts.yml").read_text())["groups"]
    found: list[dict[str, Any]] = group["rules"]
    return found


def expressions() -> list[str]:
    panels = json.loads(DASHBOARD.read_text())["panels"]
    drawn = [target["expr"] for panel in panels for target in panel.get("targets", ())]
    return [*drawn, *(rule["expr"] for rule in rules())]


@pytest.mark.parametrize(
    "page",
    [DASHBOARD, *sorted(PROMETHEUS.glob("*.yml")), *RUNBOOKS, ROOT / "docs/guides/monitoring.md"],
    ids=lambda page: page.name,
)
def test_every_metric_that_is_named_exists(page: Path) -> None:
    named = set(re.findall(r"\bswapline_[a-z_]+[a-z]\b", page.read_text()))
    python = {"swapline_workers", "swapline_producer"}
    assert named - python - SERVED == set()


def test_every_metric_is_on_the_dashboard() -> None:
    drawn = DASHBOARD.read_text()
    # Of these, others report more: the breaker's reason, the due dispatcher, the number of jobs that are held.
    hidden = {"swapline_breaker_trips", "swapline_breaker_closes_in_seconds", "swapline_due_jobs"}
    hidden.add("swapline_oldest_held_seconds")
    assert {metric.name for metric in (*SYSTEM, *WORKER_METRICS) if metric.name not in drawn} == hidden


def test_every_value_of_a_label_that_is_asked_for_can_come() -> None:
    drawn = [re.sub(r"ALERTS\{.*?\}", "", expr) for expr in expressions()]
    asked = [pair for expr in drawn for pair in re.findall(r'(\w+)(?:=~|!~|!=|=)"([^"$]+)"', expr)]
    assert len(asked) > 10
    assert {(label, word) for label, words in asked for word in words.split("|") if word not in WORDS[label]} == set()


def test_every_state_that_ends_a_job_is_alerted_on_or_is_a_success() -> None:
    [failing] = [rule["expr"] for rule in rules() if rule["alert"] == "SwaplineJobsFailing"]
    assert {state.value for state in FINISHED if state.value not in failing} == {"SUCCEEDED", "CANCELED"}


def test_every_alert_has_a_runbook_and_every_runbook_an_alert() -> None:
    runbooks = {rule["alert"]: rule["annotations"]["runbook_url"] for rule in rules()}
    assert runbooks == {page.stem: f"{{{{ $externalLabels.runbooks }}}}/{page.name}" for page in RUNBOOKS}


@pytest.mark.parametrize("page", RUNBOOKS, ids=lambda page: page.stem)
def test_a_runbook_says_what_it_means_what_to_check_what_to_do_and_when_to_page_a_person(page: Path) -> None:
    text = page.read_text()
    parts = [f"# {page.stem}", "**Symptom.**", "**What it means.**", "**Check**", "**Do**", "**Page a person**"]
    places = [text.find(part) for part in parts]
    assert -1 not in places
    assert places == sorted(places)
    assert [link for link in re.findall(r"\]\(([^)#:]+)\)", text) if not (page.parent / link).exists()] == []


def test_a_page_comes_when_its_runbook_says_that_a_person_is_paged() -> None:
    """Minutes of `for`; a rule that waits within its expression as well may only be later."""
    for rule in rules():
        asked = (RUNBOOKS[0].parent / f"{rule['alert']}.md").read_text().partition("**Page a person** ")[2]
        if rule["labels"]["severity"] == "page":
            minutes = {"m": 1, "h": 60}[rule["for"][-1]] * int(rule["for"][:-1])
            assert asked.startswith(f"after {minutes} minutes"), rule["alert"]
        else:
            assert asked.startswith("no"), rule["alert"]


def test_every_command_in_a_runbook_can_be_typed() -> None:
    text = "\n".join(page.read_text() for page in [*RUNBOOKS, ROOT / "docs/guides/monitoring.md"])
    typed = re.findall(r"(?:^|`|= )(swapline(?: (?!-)[a-z]+)+)((?: [^|`\n#]*)?)", text, re.MULTILINE)
    assert len(typed) > 30
    assert {f"{command}{rest}" for command, rest in typed if not _can_be_typed(command.split()[1:], rest)} == set()


def _can_be_typed(words: list[str], rest: str) -> bool:
    command: click.Command | None = swapline
    context = click.Context(swapline)
    while words and isinstance(command, click.Group):
        command = command.get_command(context, words.pop(0))
    if command is None:
        return False
    known = {option for one in command.params for option in one.opts}
    return not set(re.findall(r"--[a-z-]+", rest)) - known


def test_every_alert_is_tested_firing_and_silent() -> None:
    tests = yaml.safe_load((PROMETHEUS / "alerts_test.yml").read_text())["tests"]
    names = {rule["alert"] for rule in rules()}
    alone = {test["name"] for test in tests if not test["name"].startswith("scenario: ")}
    assert alone == {*names, *(f"{name} stays silent" for name in names)}
    fired = {test["name"] for test in tests if any(one["exp_samples"] for one in test["promql_expr_test"])}
    assert fired & alone == names


@needs("promtool", "prometheus")
@pytest.mark.parametrize(
    "arguments",
    [
        ("check", "rules", "alerts.yml"),
        ("check", "config", "--syntax-only", "prometheus.yml"),
        ("test", "rules", "alerts_test.yml"),
    ],
    ids=" ".join,
)
def test_prometheus_own_tool_agrees(arguments: tuple[str, ...]) -> None:
    promtool(*arguments, cwd=PROMETHEUS)


@needs("promtool", "prometheus")
def test_prometheus_own_tool_can_read_every_expression_of_the_dashboard(tmp_path: Path) -> None:
    variables = {"$__rate_interval": "1m", "$__range_s": "3600", "$__range": "1h", "$job": ".+", "$worker_job": ".+"}
    drawn = []
    for number, expression in enumerate(expressions()):
        for name, value in variables.items():
            expression = expression.replace(name, value)  # noqa: PLW2901 -- one after another
        drawn.append({"record": f"drawn:{number}", "expr": expression})
    (tmp_path / "drawn.yml").write_text(yaml.safe_dump({"groups": [{"name": "drawn", "rules": drawn}]}))
    promtool("check", "rules", "drawn.yml", cwd=tmp_path)


def promtool(*arguments: str, cwd: Path) -> None:
    done = subprocess.run(["promtool", *arguments], cwd=cwd, capture_output=True, text=True, timeout=110, check=False)
    assert (done.returncode, "FAILED" in done.stdout + done.stderr) == (0, False), done.stdout + done.stderr
