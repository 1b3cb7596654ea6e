"""What the Prometheus operator would get is what the definitions of its own resources say.

They come as a package of models, made from the definitions that the operator publishes: 0.80 up to Python 3.13, 0.93
after it.
"""

from __future__ import annotations

import os
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from support.services.compose import ROOT
from support.services.definitions import broken_copies, faults

if TYPE_CHECKING:
    from types import ModuleType

RESOURCES = [
    one
    for file in sorted((ROOT / "ops" / "k8s" / "components" / "prometheus-operator").glob("*.yaml"))
    for one in yaml.safe_load_all(file.read_text())
    if one and one["apiVersion"].startswith("monitoring.coreos.com/")
]
each_resource = pytest.mark.parametrize("resource", RESOURCES, ids=lambda one: one["kind"])
FREE = frozenset(
    {"metadata.labels", "spec.selector.matchLabels", "spec.groups.rules.labels", "spec.groups.rules.annotations"}
)
"""Maps of any names."""


@cache
def definitions() -> ModuleType:
    """The operator's definitions; the test is skipped in an environment that is older than them."""
    name = "cloudcoil.models.prometheus_operator"
    if find_spec(name) is None and "SWAPLINE_TEST_EVERYTHING" not in os.environ:
        pytest.skip(f"{name} is not installed: run make test, which builds .venv anew")
    return import_module(f"{name}.v1")


def undetected(resource: dict[str, Any], broken: dict[str, Any]) -> list[str]:
    """Where what is broken is not found."""
    return [where for where, copy in broken.items() if faults(copy, resource["kind"], definitions()) == []]


def first_of_each_list(part: Any) -> Any:
    """Shorten lists: alerts are all alike, and each field of each would be broken."""
    if isinstance(part, dict):
        return {name: first_of_each_list(value) for name, value in part.items()}
    return [first_of_each_list(part[0])] if isinstance(part, list) and part else part


def test_rules_and_both_monitors_are_examined() -> None:
    assert sorted(one["kind"] for one in RESOURCES) == ["PodMonitor", "PrometheusRule", "ServiceMonitor"]


@each_resource
def test_what_the_operator_would_get_is_what_its_definitions_say(resource: dict[str, Any]) -> None:
    assert faults(resource, resource["kind"], definitions()) == []


@each_resource
def test_each_field_that_is_misspelt_is_found(resource: dict[str, Any]) -> None:
    broken = dict(broken_copies(first_of_each_list(resource), lambda name, value: {name + "x": value}, FREE))
    assert {"spec", "metadata.name", "apiVersion"} <= broken.keys()
    assert undetected(resource, broken) == []


@each_resource
def test_each_field_of_another_kind_is_found(resource: dict[str, Any]) -> None:
    broken = dict(broken_copies(first_of_each_list(resource), lambda name, _: {name: [True]}, FREE))
    assert undetected(resource, broken) == []
