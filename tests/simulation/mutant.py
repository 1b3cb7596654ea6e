"""One deliberate fault: replaced text of the scripts, or replaced parts of modules."""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

from swapline_producer.contract import transitions
from swapline_producer.ledger import scripts

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

    Patch = AbstractContextManager[Any]

SOURCE = scripts._source


@dataclass(frozen=True)
class Mutant:
    """One fault: replaced text of the scripts, or replaced parts of modules."""

    name: str
    move: str = ""
    """The move whose script is changed; empty: every move in which the text stands."""
    lua: tuple[str, str] = ("", "")
    python: Callable[[], list[Patch]] = list

    @contextmanager
    def applied(self) -> Iterator[None]:
        """Run with this fault."""
        with ExitStack() as stack:
            if self.lua[0]:
                stack.enter_context(patch.object(scripts, "_source", cache(self._source)))
            for each in self.python():
                stack.enter_context(each)
            yield

    def _source(self, move: str) -> str:
        text = SOURCE(move)
        if self.move in {"", move}:
            assert self.lua[0] in text or not self.move, f"{self.name}: its text is not in {move}.lua any more"
            text = text.replace(*self.lua)
        return text


def changed(module: Any, name: str, wrap: Callable[[Any], Any]) -> Callable[[], list[Patch]]:
    """Replace one function, given the real one."""
    return lambda: [patch.object(module, name, wrap(getattr(module, name)))]


def fields(name: str, **update: Any) -> Callable[[], list[Patch]]:
    """Have a named change written with other values; `fields` of it are merged."""

    def wrap(real: Any) -> Any:
        def written(*arguments: Any, **more: Any) -> Any:
            change = real(*arguments, **more)
            merged = {**update, "fields": {**change.fields, **update.get("fields", {})}}
            merged["fields"] = {key: value for key, value in merged["fields"].items() if value is not Ellipsis}
            return change.model_copy(update=merged)

        return written

    return changed(transitions, name, wrap)
