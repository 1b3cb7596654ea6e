"""What KEDA would get is what the definitions of its own resources say, down to the spelling of each field.

They come as a package of models, made from the definitions that KEDA publishes: 2.16 up to Python 3.13, 2.20 after it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import yaml
from cloudcoil.models.keda import v1alpha1 as keda
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]  # it ships no types

from support.compose import ROOT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

RESOURCES = [
    one
    for file in sorted((ROOT / "ops" / "k8s").glob("*.yaml"))
    for one in yaml.safe_load_all(file.read_text())
    if one and one["apiVersion"].startswith("keda.sh/")
]
each_resource = pytest.mark.parametrize("resource", RESOURCES, ids=lambda one: one["metadata"]["name"])

PROMETHEUS = {"serverAddress", "query", "threshold"}
"""What a trigger of this type needs. To the definition it is a map of any names, so one more is no fault."""


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


def faults(resource: dict[str, Any], kind: str) -> list[str]:
    """What the definition of a kind has against a resource."""
    schema = strict(getattr(keda, kind).model_json_schema(by_alias=True))
    return [f"{fault.json_path}: {fault.message}" for fault in Draft202012Validator(schema).iter_errors(resource)]


def broken_copies(part: Any, breaks: Callable[[str, Any], dict[str, Any]], *above: str) -> Iterator[tuple[str, Any]]:
    """For each named field: where it is, and a copy of everything in which that one is broken."""
    if isinstance(part, dict):
        for name, value in part.items():
            others = {other: part[other] for other in part if other != name}
            if above[-2:] != ("triggers", "metadata"):
                yield ".".join((*above, name)), others | breaks(name, value)
            for where, broken in broken_copies(value, breaks, *above, name):
                yield where, {**part, name: broken}
    elif isinstance(part, list):
        for number, value in enumerate(part):
            for where, broken in broken_copies(value, breaks, *above):
                yield where, [*part[:number], broken, *part[number + 1 :]]


def test_what_scales_is_examined() -> None:
    assert [one["kind"] for one in RESOURCES] == ["ScaledObject", "ScaledObject"]


@each_resource
def test_what_keda_would_get_is_what_its_definitions_say(resource: dict[str, Any]) -> None:
    assert faults(resource, resource["kind"]) == []


@each_resource
def test_each_field_that_is_misspelt_is_found(resource: dict[str, Any]) -> None:
    copies = dict(broken_copies(resource, lambda name, value: {name + "s": value}))
    assert {"spec.maxReplicaCount", "spec.scaleTargetRef.name", "spec.triggers.metadata"} <= copies.keys()
    assert [where for where, broken in copies.items() if faults(broken, resource["kind"]) == []] == []


@each_resource
def test_each_field_of_another_kind_is_found(resource: dict[str, Any]) -> None:
    copies = dict(broken_copies(resource, lambda name, _: {name: [True]}))
    assert [where for where, broken in copies.items() if faults(broken, resource["kind"]) == []] == []


@each_resource
def test_a_trigger_has_what_its_type_asks_for(resource: dict[str, Any]) -> None:
    triggers = {(trigger["type"], *sorted(trigger["metadata"])) for trigger in resource["spec"]["triggers"]}
    assert triggers == {("prometheus", *sorted(PROMETHEUS))}
