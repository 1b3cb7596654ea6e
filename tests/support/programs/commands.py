"""All commands of the command line, walked."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from swapline_producer.cli import swapline

if TYPE_CHECKING:
    from collections.abc import Iterator


def commands(group: click.Group, words: tuple[str, ...] = ()) -> Iterator[tuple[str, click.Command]]:
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None, name
        if not isinstance(command, click.Group) or command.invoke_without_command:
            yield " ".join((*words, name)), command
        if isinstance(command, click.Group):
            yield from commands(command, (*words, name))


COMMANDS = dict(commands(swapline))
