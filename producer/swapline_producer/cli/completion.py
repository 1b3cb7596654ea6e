"""`swapline completion`: the shell completes commands, options, states and codes."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

VARIABLE = "_SWAPLINE_COMPLETE"

SHELLS = ("bash", "zsh", "fish")


@click.command()
@click.argument("shell", type=click.Choice(SHELLS))
@click.pass_context
def completion(ctx: click.Context, shell: str) -> None:
    """Print the script that lets SHELL complete what you type. Load it in the shell's own start file.

    \b
    Examples:
      swapline completion bash >> ~/.bashrc
      swapline completion zsh >> ~/.zshrc          # after compinit
      swapline completion fish > ~/.config/fish/completions/swapline.fish
    """  # noqa: D301 -- click's mark for a block that keeps its lines
    kind = get_completion_class(shell)
    if kind is None:  # click knows all three
        raise click.UsageError(f"{shell} is not known.")
    root = ctx.find_root()
    click.echo(kind(root.command, {}, root.info_name or "swapline", VARIABLE).source())
