"""Which schedule of polls keeps the slots busy: each is given the same jobs, in a simulation of a second each.

Prints a table, writes it into docs/polling.md, and draws docs/polling.png. `make bench-polling` runs it.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from matplotlib.figure import Figure

from polling_simulation import WORLDS, Fixed, Known, Learned, Oracle, Schedule, Tally, World, simulate

if TYPE_CHECKING:
    from collections.abc import Callable

    from matplotlib.axes import Axes

DOCS = Path(__file__).parents[1] / "docs"
JOBS = 3000
"""Measured in each run: the mean delay is then known to two hundredths of its size."""
BUDGETS = (3.5, 4.5, 5.5, 7.0, 9.0)
"""Polls a job that the learned schedule is drawn for."""

SCHEDULES: dict[str, Callable[[World], Schedule]] = {
    "every 1 s": lambda _: Fixed(1),
    "every 2 s": lambda _: Fixed(2),
    "every 5 s": lambda _: Fixed(5),
    "exponential x1.5 from 1 s": lambda _: Fixed(1, 1.5),
    "learned, 4.5 polls": lambda _: Learned(4.5),
    "learned, 7 polls": lambda _: Learned(7),
    "distribution known, 7 polls": lambda world: Known(7, world),
    "oracle": lambda _: Oracle(),
}

CHANGING = ("drifting", "jumping")
"""Worlds without one distribution that could be known."""


def main() -> None:
    """Run everything."""
    figure = Figure(figsize=(4 * len(WORLDS), 8), layout="constrained")
    axes = figure.subplots(2, len(WORLDS), squeeze=False)
    lines = ["| service time | schedule | polls a job | detection delay, mean | slot use |", "|---|---|---|---|---|"]
    for column, world in enumerate(WORLDS):
        tallies = {
            name: simulate(world, make(world), JOBS)
            for name, make in SCHEDULES.items()
            if not (name.startswith("distribution") and world.name.startswith(CHANGING))
        }
        lines += [row(world, name, tally) for name, tally in tallies.items()]
        curve = [simulate(world, Learned(budget), JOBS) for budget in BUDGETS]
        draw(axes[0][column], tallies, curve, "delay")
        draw(axes[1][column], tallies, curve, "slot_use")
        axes[0][column].set_title(world.name)
    axes[0][0].set_ylabel("detection delay, mean seconds")
    axes[1][0].set_ylabel("slot use")
    figure.legend(*axes[1][0].get_legend_handles_labels(), loc="outside lower center", ncols=len(SCHEDULES))
    figure.savefig(DOCS / "polling.png", dpi=70)
    print("\n".join(lines))
    write_table(lines)


def row(world: World, name: str, tally: Tally) -> str:
    """One line of the table."""
    return f"| {world.name} | {name} | {tally.polls_a_job:.1f} | {tally.delay:.2f} s | {tally.slot_use:.3f} |"


def draw(axes: Axes, tallies: dict[str, Tally], curve: list[Tally], what: str) -> None:
    """Draw one picture: a point for each schedule, a line for the learned one."""
    for number, name in enumerate(SCHEDULES):
        if name in tallies and not name.startswith("learned"):
            marker = "*" if name == "oracle" else "o"
            axes.plot(
                tallies[name].polls_a_job,
                getattr(tallies[name], what),
                marker,
                color=f"C{number}",
                markersize=8,
                label=name,
            )
    axes.plot([one.polls_a_job for one in curve], [getattr(one, what) for one in curve], "k.-", label="learned")
    axes.set_xlabel("polls a job")
    axes.grid(visible=True, alpha=0.3)


def write_table(lines: list[str]) -> None:
    """Put the table in its place in the page."""
    page = DOCS / "polling.md"
    before, start, rest = page.read_text().partition("<!-- table -->\n")
    _, end, after = rest.partition("<!-- end of table -->")
    page.write_text(before + start + "\n".join(lines) + "\n" + end + after)


if __name__ == "__main__":
    main()
