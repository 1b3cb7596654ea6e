"""The dashboard is what Grafana's own models say, down to the spelling of each field; its part of compose fits it.

Models: Grafana Labs' Foundation SDK, made from the schemas of Grafana 11.6. They forget what they do not know.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.cog.plugins import register_default_plugins
from grafana_foundation_sdk.models.dashboard import Dashboard

from support.services.compose import ROOT, SERVICES

if TYPE_CHECKING:
    from collections.abc import Iterator

GRAFANA = ROOT / "ops" / "grafana"
BOARD: dict[str, Any] = json.loads((GRAFANA / "swapline.json").read_text())
SETTINGS = {
    "GF_SECURITY_ADMIN_PASSWORD__FILE",
    "GF_ANALYTICS_REPORTING_ENABLED",
    "GF_ANALYTICS_CHECK_FOR_UPDATES",
    "GF_ANALYTICS_CHECK_FOR_PLUGIN_UPDATES",
    "GF_PLUGINS_PREINSTALL_DISABLED",
}
"""Compared by hand with the defaults that Grafana lists: [security], [analytics] and [plugins]."""

DATA_SOURCE = {"name", "uid", "type", "access", "url", "isDefault", "jsonData"}
PROVIDER = {"name", "type", "updateIntervalSeconds", "allowUiUpdates", "options"}
"""Compared by hand with what Grafana reads from such files."""


def understood(board: dict[str, Any]) -> Any:
    """What Grafana's models keep of a dashboard."""
    register_default_plugins()
    return json.loads(JSONEncoder().encode(Dashboard.from_json(board)))


def forgotten(written: Any, kept: Any, where: str = "") -> Iterator[str]:
    """Where something was said that was not kept as it was."""
    if isinstance(written, dict) and isinstance(kept, dict):
        for name, value in written.items():
            yield from forgotten(value, kept.get(name), f"{where}.{name}")
    elif isinstance(written, list) and isinstance(kept, list) and len(written) == len(kept):
        for number, value in enumerate(written):
            yield from forgotten(value, kept[number], f"{where}.{number}")
    elif written != kept:
        yield where


def renamed(part: dict[str, Any], name: str) -> dict[str, Any]:
    """Give a copy in which a field has one letter too many."""
    return {(one + "s" if one == name else one): value for one, value in part.items()}


def test_grafanas_models_keep_all_of_the_dashboard() -> None:
    assert len(BOARD["panels"]) > 20
    assert list(forgotten(BOARD, understood(BOARD))) == []


@pytest.mark.parametrize("name", BOARD)
def test_a_misspelt_field_of_the_dashboard_is_found(name: str) -> None:
    broken = renamed(BOARD, name)
    assert f".{name}s" in list(forgotten(broken, understood(broken)))


@pytest.mark.parametrize("kind", ["stat", "timeseries"])
def test_a_misspelt_field_of_a_panel_is_found_and_of_what_is_in_it(kind: str) -> None:
    number, panel = next((at, one) for at, one in enumerate(BOARD["panels"]) if one["type"] == kind)
    inner = [{**panel, part: renamed(panel[part], name)} for part in ("gridPos", "options") for name in panel[part]]
    inner += [{**panel, "targets": [renamed(panel["targets"][0], name)]} for name in panel["targets"][0]]
    for broken in [*inner, *(renamed(panel, name) for name in panel if name != "type")]:
        board = {**BOARD, "panels": [*BOARD["panels"][:number], broken, *BOARD["panels"][number + 1 :]]}
        assert list(forgotten(board, understood(board))) != [], broken


def test_what_grafana_is_given_has_names_that_it_reads() -> None:
    asked = SERVICES["grafana"]["environment"]
    assert {name for name in asked if name.startswith("GF_")} == SETTINGS
    [source] = yaml.safe_load((GRAFANA / "provisioning/datasources/swapline.yml").read_text())["datasources"]
    [provider] = yaml.safe_load((GRAFANA / "provisioning/dashboards/swapline.yml").read_text())["providers"]
    assert (set(source), set(provider)) == (DATA_SOURCE, PROVIDER)
    assert source["url"] == "${PROMETHEUS_URL}"
    assert "PROMETHEUS_URL" in asked


def test_the_dashboard_lies_where_grafana_is_configured_to_search() -> None:
    mounted = dict(volume.removesuffix(":ro").split(":") for volume in SERVICES["grafana"]["volumes"])
    [provider] = yaml.safe_load((GRAFANA / "provisioning/dashboards/swapline.yml").read_text())["providers"]
    assert mounted["./ops/grafana/swapline.json"] == f"{provider['options']['path']}/swapline.json"
    assert mounted["./ops/grafana/provisioning"] == "/etc/grafana/provisioning"
    assert (ROOT / "ops/grafana/swapline.json").is_file()
