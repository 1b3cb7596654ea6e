"""Every command explains itself: an example in its help, JSON for programs, and no traceback for a mistake."""

from __future__ import annotations

import platform
import re
import shlex
from pathlib import Path

import click
import pytest
from click.shell_completion import get_completion_class
from click.testing import CliRunner

import swapline_producer
from support.programs.commands import COMMANDS
from swapline_producer.cli import swapline
from swapline_producer.cli.lazy import OWN

PRINT_NO_FACTS = {
    "board": "it serves until it is stopped",
    "flower": "the same",
    "gateway": "the same",
    "metrics": "the same; --once prints them for Prometheus",
    "up": "it prints the log of everything",
    "completion": "it prints a script for a shell",
    "demo": "it is for people only",
    "simulator": "--ready-file has its facts",
    "slots reset": "it says one fixed sentence",
    "slots set": "it prints what was set",
    "accounts drain": "it prints what was set",
    "accounts resume": "it says one fixed sentence",
    "tenants reset": "it says one fixed sentence",
    "tenants set": "it prints what was set",
    "limits forget": "it says one fixed sentence",
    "limits set": "it prints what was set",
    "credits reset": "it says one fixed sentence",
    "credits set": "it prints what was set",
    "webhooks new-secret": "what it prints is for one setting",
    "worker": "it writes a log",
}
"""Commands without --json, and why."""


def test_all_commands_are_walked() -> None:
    assert {"enqueue", "batch run", "jobs list", "jobs replay", "slots", "slots set", "doctor", "worker"} <= set(
        COMMANDS
    )


@pytest.mark.parametrize("name", OWN)
def test_the_list_of_commands_shows_the_first_sentence_of_each(name: str) -> None:
    assert OWN[name].summary == OWN[name].load().get_short_help_str(1000).rstrip(".") + "."


def test_the_version_says_where_it_runs_from() -> None:
    shown = CliRunner().invoke(swapline, ["--version"]).output
    here = Path(swapline_producer.__file__).parents[1]
    assert shown == f"swapline {swapline_producer.__version__} from {here} (Python {platform.python_version()})\n"


@pytest.mark.parametrize("name", COMMANDS)
def test_every_help_has_an_example_that_names_the_command(name: str) -> None:
    shown = CliRunner().invoke(swapline, [*name.split(), "--help"], prog_name="swapline")
    assert shown.exit_code == 0
    examples = re.split(r"Examples?:", shown.output)[1:]
    assert examples, f"swapline {name} --help shows no example"
    assert re.search(rf"swapline {name}\b", " ".join(examples[0].split()))


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_that_prints_facts_prints_them_as_json(name: str) -> None:
    has = any("--json" in parameter.opts for parameter in COMMANDS[name].params)
    assert has != (name in PRINT_NO_FACTS), PRINT_NO_FACTS.get(name, "no --json")


@pytest.mark.parametrize("name", sorted(set(COMMANDS) - {"flower"}))  # which has options of its own
def test_an_option_that_is_none_is_a_usage_error(name: str) -> None:
    asked = CliRunner().invoke(swapline, [*name.split(), "--no-such-option"])
    assert (asked.exit_code, "No such option" in asked.output) == (2, True)


@pytest.mark.parametrize(
    ("age", "right"),
    [("90s", True), ("1d12h", True), ("2026-11-22T03:00Z", True), ("yesterday", False), ("-5m", False), ("", False)],
)
def test_ages_are_read_or_refused_in_one_sentence(age: str, right: bool) -> None:
    from swapline_producer.cli.options import AgeType  # noqa: PLC0415 -- beside its use

    if right:
        assert AgeType().convert(age, None, None).at(10**13) < 10**13
        return
    with pytest.raises(click.BadParameter, match=r"neither an age .* nor a moment"):
        AgeType().convert(age, None, None)


def test_every_command_of_the_guide_for_people_on_call_can_be_typed() -> None:
    guide = (Path(__file__).parents[4] / "docs/guides/on-call.md").read_text()
    shown = set(re.findall(r"`(swapline [^`]+)`", guide)) | set(
        re.findall(r"^(swapline .*?)(?: >.*)?$", guide, re.MULTILINE)
    )
    assert len(shown) > 15
    for line in sorted(shown):
        words = shlex.split(line.replace("…", ""))[1:]
        command: click.Command = swapline
        while isinstance(command, click.Group) and words and not words[0].startswith("-"):
            found = command.get_command(click.Context(command), words.pop(0))
            assert found is not None, line
            command = found
        placeholders = [word for word in words if word == "STEP"]
        if not placeholders:
            command.make_context(line, words)  # raises a usage error for an option that is none


@pytest.mark.parametrize("shell", ["zsh", "fish", "bash"])
@pytest.mark.parametrize(
    ("typed", "expected"),
    [
        (["jobs"], "replay"),
        (["jobs", "list", "--state"], "HELD"),
        (["jobs", "replay", "--from"], "finalize"),
        ([], "doctor"),
    ],
)
def test_shells_complete_commands_and_values(shell: str, typed: list[str], expected: str) -> None:
    kind = get_completion_class(shell)
    assert kind is not None
    found = kind(swapline, {}, "swapline", "_SWAPLINE_COMPLETE").get_completions(typed, expected[:2])
    assert expected in {item.value for item in found}


@pytest.mark.parametrize("name", COMMANDS)
def test_no_command_takes_a_number_that_is_none(name: str) -> None:
    kinds = [
        param.type for param in COMMANDS[name].params if isinstance(param.type, (type(click.FLOAT), click.FloatRange))
    ]
    for kind in [] if name == "alive" else kinds:  # a probe loads nothing that is ours for its arguments
        for text in ("nan", "inf", "-inf"):
            with pytest.raises(click.BadParameter):
                kind(text)
