"""What KEDA would get is what the definitions of its own resources say, down to the spelling of each field.

They come as a package of models, made from the definitions that KEDA publishes: 2.16 up to Python 3.13, 2.20 after it.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from support.services.compose import ROOT
from support.services.definitions import broken_copies, faults

if TYPE_CHECKING:
    from types import ModuleType

RESOURCES = [
    one
    for file in sorted((ROOT / "ops" / "k8s").glob("*.yaml"))
    for one in yaml.safe_load_all(file.read_text())
    if one and one["apiVersion"].startswith("keda.sh/")
]
each_resource = pytest.mark.parametrize("resource", RESOURCES, ids=lambda one: one["metadata"]["name"])

FREE = frozenset({"spec.triggers.metadata"})
"""To the definition it is a map of any names, so one more is no fault."""
PROMETHEUS = {"serverAddress", "query", "threshold"}
"""What a trigger of this type needs."""


def definitions() -> ModuleType:
    """KEDA's definitions: half a second to load."""
    return import_module("cloudcoil.models.keda.v1alpha1")


def test_what_scales_is_examined() -> None:
    assert [one["kind"] for one in RESOURCES] == ["ScaledObject", "ScaledObject"]


@each_resource
def test_what_keda_would_get_is_what_its_definitions_say(resource: dict[str, Any]) -> None:
    assert faults(resource, resource["kind"], definitions()) == []


@each_resource
def test_each_field_that_is_misspelt_is_found(resource: dict[str, Any]) -> None:
    copies = dict(broken_copies(resource, lambda name, value: {name + "s": value}, FREE))
    assert {"spec.maxReplicaCount", "spec.scaleTargetRef.name", "spec.triggers.metadata"} <= copies.keys()
    assert [where for where, broken in copies.items() if faults(broken, resource["kind"], definitions()) == []] == []


@each_resource
def test_each_field_of_another_kind_is_found(resource: dict[str, Any]) -> None:
    copies = dict(broken_copies(resource, lambda name, _: {name: [True]}, FREE))
    assert [where for where, broken in copies.items() if faults(broken, resource["kind"], definitions()) == []] == []


@each_resource
def test_a_trigger_has_what_its_type_asks_for(resource: dict[str, Any]) -> None:
    triggers = {(trigger["type"], *sorted(trigger["metadata"])) for trigger in resource["spec"]["triggers"]}
    assert triggers == {("prometheus", *sorted(PROMETHEUS))}
