"""Kubernetes resources, held to what their own definitions say, down to the spelling of each field."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import ModuleType


@cache
def validator_of(definitions: ModuleType, kind: str) -> Any:
    """What holds a resource to the definition of its kind, and refuses every name that it does not know."""
    from jsonschema import Draft202012Validator  # type: ignore[import-untyped]  # noqa: PLC0415 -- takes seconds

    return Draft202012Validator(strict(getattr(definitions, kind).model_json_schema(by_alias=True)))


def strict(schema: Any) -> Any:
    """Refuse what a schema does not name, as an API server does when it validates strictly."""
    if isinstance(schema, dict):
        if "properties" in schema:
            schema.setdefault("additionalProperties", False)
        for part in schema.values():
            strict(part)
    elif isinstance(schema, list):
        for part in schema:
            strict(part)
    return schema


def faults(resource: dict[str, Any], kind: str, definitions: ModuleType) -> list[str]:
    """What the definition of a kind has against a resource."""
    return [f"{fault.json_path}: {fault.message}" for fault in validator_of(definitions, kind).iter_errors(resource)]


def broken_copies(
    part: Any, breaks: Callable[[str, Any], dict[str, Any]], free: frozenset[str], *above: str
) -> Iterator[tuple[str, Any]]:
    """For each named field: where it is, and a copy of everything in which that one is broken.

    Fields in a map of any names, whose place is in `free`, are passed over.
    """
    if isinstance(part, dict):
        for name, value in part.items():
            others = {other: part[other] for other in part if other != name}
            if ".".join(above) not in free:
                yield ".".join((*above, name)), others | breaks(name, value)
            for where, broken in broken_copies(value, breaks, free, *above, name):
                yield where, {**part, name: broken}
    elif isinstance(part, list):
        for number, value in enumerate(part):
            for where, broken in broken_copies(value, breaks, free, *above):
                yield where, [*part[:number], broken, *part[number + 1 :]]
