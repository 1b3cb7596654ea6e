"""What is handed to operators is well formed, hardened, and names only what there is."""

from __future__ import annotations

import functools
import importlib
import os
import pkgutil
import re
import subprocess
import sys
from ipaddress import ip_network
from typing import Any

import pytest
import yaml

import swapline_workers
from support.programs.debian import needs
from support.services.compose import COMPOSE, ROOT, SERVICES
from swapline_producer.settings import ENV_PREFIX, ProducerSettings
from swapline_workers.settings import WorkerSettings

OURS = {name for name, service in SERVICES.items() if service["image"].startswith("swapline:")}
ONE_SHOT = {"s3-folder"}
KUBERNETES = sorted((ROOT / "ops" / "k8s").rglob("*.yaml"))


def check_strictly(resource: dict[str, Any]) -> None:
    """Raise if Kubernetes would refuse a resource. What knows takes seconds to load."""
    importlib.import_module("kubernetes_validate").validate(resource, "1.34", strict=True)


def settings_names() -> set[str]:
    """Every setting of every command, and the file that it may lie in."""
    for module in pkgutil.walk_packages(swapline_workers.__path__, "swapline_workers."):
        if module.name.endswith("settings"):
            importlib.import_module(module.name)
    kinds, names = [ProducerSettings], set[str]()
    while kinds:
        kind = kinds.pop()
        kinds += kind.__subclasses__()
        names |= {ENV_PREFIX + name.upper() for name in kind.model_fields}
    return names | {f"{name}_FILE" for name in names}


@pytest.mark.parametrize(
    "file",
    ["docker-compose.yml", ".env.example", "README.md", "ops/systemd/swapline.service", "docs/guides/running.md"],
)
def test_every_setting_that_is_named_exists(file: str) -> None:
    named = set(re.findall(r"\bSWAPLINE_[A-Z_]+[A-Z]\b", (ROOT / file).read_text()))
    assert named - settings_names() == set()


@pytest.mark.parametrize("file", KUBERNETES, ids=lambda file: file.name)
def test_every_setting_that_kubernetes_gives_exists(file: Any) -> None:
    named = set(re.findall(r"\bSWAPLINE_[A-Z_]+[A-Z]\b", file.read_text()))
    assert named - settings_names() == set()


def test_compose_is_what_its_specification_says() -> None:
    schema = ["--builtin-schema", "vendor.compose-spec"]
    asked = [sys.executable, "-m", "check_jsonschema", *schema, str(ROOT / "docker-compose.yml")]
    checked = subprocess.run(asked, capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stdout


@pytest.mark.parametrize("name", SERVICES)
def test_every_service_is_hardened_limited_and_pinned(name: str) -> None:
    service = SERVICES[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert not service["user"].startswith(("0", "root"))
    assert set(service["deploy"]["resources"]["limits"]) == {"cpus", "memory", "pids"}
    assert re.search(r":v?\d+\.\d+\.\d+", service["image"]), service["image"]
    assert service["restart"] == ("no" if name in ONE_SHOT else "unless-stopped")
    assert ("healthcheck" in service) is (name not in ONE_SHOT)
    assert all(port.startswith("127.0.0.1:") for port in service.get("ports", []))


def test_redis_is_for_the_inner_network_only() -> None:
    assert (SERVICES["redis"]["networks"], "ports" in SERVICES["redis"]) == (["inner"], False)
    assert COMPOSE["networks"]["inner"]["internal"] is True


def test_no_secret_stands_in_compose_and_each_that_it_names_is_made(tmp_path: Any) -> None:
    subprocess.run(["sh", str(ROOT / "ops/docker/secrets.sh"), str(tmp_path)], check=True, capture_output=True)
    first = {file.name: file.read_text() for file in tmp_path.iterdir()}
    assert {one["file"].removeprefix("secrets/") for one in COMPOSE["secrets"].values()} <= set(first)
    subprocess.run(["sh", str(ROOT / "ops/docker/secrets.sh"), str(tmp_path)], check=True, capture_output=True)
    assert {file.name: file.read_text() for file in tmp_path.iterdir()} == first
    settings = {key for service in SERVICES.values() for key in service.get("environment") or {}}
    secret = ("PASSWORD", "SECRET", "API_KEY", "REDIS_URL", "BASIC_AUTH", "ACCESS_KEY")
    assert {key for key in settings if key.endswith(secret)} == set()


def test_a_worker_gets_more_time_to_stop_than_it_takes() -> None:
    for name in ("worker-io", "worker-finalize"):
        assert (
            int(SERVICES[name]["stop_grace_period"].removesuffix("s"))
            > WorkerSettings.model_fields["stop_grace"].default
        )
    for pod in (one for one in rendered() if one["kind"] == "Deployment" and "worker" in one["metadata"]["name"]):
        assert pod["spec"]["template"]["spec"]["terminationGracePeriodSeconds"] > 35


def test_what_the_image_is_built_from_is_there() -> None:
    dockerfile = (ROOT / "ops/docker/Dockerfile").read_text()
    copied = re.findall(r"^COPY (?!--from)(\S+) ", dockerfile, re.MULTILINE)
    assert copied == ["requirements.lock", "producer", "workers", "gateway", "simulator"]
    assert [source for source in copied if not (ROOT / source).exists()] == []
    sent = (ROOT / ".dockerignore").read_text()
    assert [source for source in copied if f"!{source}\n" not in sent] == []
    assert "USER 10001:10001" in dockerfile


def pins(file: str) -> dict[str, set[str]]:
    """For each package of a lock: its version, and its hashes."""
    blocks = re.split(r"\n(?=\S)", (ROOT / file).read_text())
    return {
        block.split("==")[0]: {*re.findall(r"==(\S+)", block)[:1], *re.findall(r"sha256:\w+", block)}
        for block in blocks
    }


def test_what_runs_and_the_tools_of_development_have_a_lock_each() -> None:
    runs, tools, faces = (pins(f"requirements{name}.lock") for name in ("", "-dev", "-faces"))
    assert {"celery", "redis", "flower", "starlette", "prometheus-client"} <= set(runs)
    assert {"pytest", "playwright", "moto"} <= set(tools)
    assert {name for name in runs if name in tools and runs[name] != tools[name]} == set()
    assert set(faces) == {"dlib-bin", "numpy"}
    assert {name for name in faces if faces[name] != tools[name]} == set()


def test_each_verb_installs_no_more_than_it_needs() -> None:
    makefile = (ROOT / "Makefile").read_text()
    needs = dict(re.findall(r"^([a-z0-9-]+): (\$\(\w+\)) ##", makefile, re.MULTILINE))
    assert {verb for verb, stamp in needs.items() if stamp == "$(RUNTIME)"} == {"install", "demo"}
    assert {"test", "check", "audit", "bench"} <= {verb for verb, stamp in needs.items() if stamp == "$(STAMP)"}


@functools.cache
def rendered(folder: str = "ops/k8s") -> list[dict[str, Any]]:
    """Everything that would be applied."""
    argv = ["kubectl", "kustomize", str(ROOT / folder)]
    built = subprocess.run(argv, capture_output=True, text=True, check=True)
    return [one for one in yaml.safe_load_all(built.stdout) if one]


@needs("kubectl", "kubernetes-client")
def test_what_kubernetes_would_get_is_what_its_schemas_say() -> None:
    known = [one for one in rendered() if not one["apiVersion"].startswith("keda.sh/")]
    assert {one["kind"] for one in known} == {
        "ConfigMap",
        "Deployment",
        "NetworkPolicy",
        "PodDisruptionBudget",
        "Service",
    }
    for one in known:
        check_strictly(one)


@needs("kubectl", "kubernetes-client")
def test_an_overlay_can_add_an_ingress_and_what_the_prometheus_operator_reads(tmp_path: Any) -> None:
    parts = {
        "resources": ["ops/k8s"],
        "components": ["ops/k8s/components/ingress", "ops/k8s/components/prometheus-operator"],
    }
    overlay: dict[str, Any] = {"apiVersion": "kustomize.config.k8s.io/v1beta1", "kind": "Kustomization"}
    overlay |= {part: [os.path.relpath(ROOT / name, tmp_path) for name in names] for part, names in parts.items()}
    (tmp_path / "kustomization.yaml").write_text(yaml.safe_dump(overlay))
    more = [one for one in rendered(str(tmp_path)) if one not in rendered()]
    assert {one["kind"] for one in more} == {"Ingress", "ServiceMonitor", "PodMonitor", "PrometheusRule"}
    [ingress] = [one for one in more if one["kind"] == "Ingress"]
    check_strictly(ingress)
    services = {one["metadata"]["name"]: one["spec"]["ports"] for one in rendered() if one["kind"] == "Service"}
    [path] = ingress["spec"]["rules"][0]["http"]["paths"]
    assert path["backend"]["service"]["port"]["name"] in {
        port["name"] for port in services[path["backend"]["service"]["name"]]
    }


@needs("kubectl", "kubernetes-client")
def test_the_metrics_of_each_worker_are_served_allowed_and_scraped() -> None:
    objects = rendered()
    [settings] = [one["data"] for one in objects if one["metadata"]["name"].startswith("swapline-worker-settings")]
    [policy] = [one["spec"] for one in objects if one["metadata"]["name"] == "swapline-workers"]
    monitors = ROOT / "ops/k8s/components/prometheus-operator/monitors.yaml"
    [scraped] = [one["spec"] for one in yaml.safe_load_all(monitors.read_text()) if one["kind"] == "PodMonitor"]
    [allowed] = policy["ingress"]
    for name in ("worker-io", "worker-finalize"):
        [pod] = [
            one["spec"]["template"]
            for one in objects
            if one["metadata"]["name"] == f"swapline-{name}" and one["kind"] == "Deployment"
        ]
        [port] = pod["spec"]["containers"][0]["ports"]
        assert (str(port["containerPort"]), port["name"]) == (settings["SWAPLINE_METRICS_PORT"], "metrics")
        assert name in scraped["selector"]["matchExpressions"][0]["values"]
    assert [port["port"] for port in allowed["ports"]] == [one["port"] for one in scraped["podMetricsEndpoints"]]


@needs("kubectl", "kubernetes-client")
def test_every_pod_is_restricted_and_everything_it_asks_for_is_there() -> None:
    objects = rendered()
    maps = {one["metadata"]["name"] for one in objects if one["kind"] == "ConfigMap"}
    for one in (one for one in objects if one["kind"] == "Deployment"):
        pod = one["spec"]["template"]["spec"]
        [container] = pod["containers"]
        assert pod["automountServiceAccountToken"] is False
        assert pod["enableServiceLinks"] is False
        assert pod["securityContext"]["runAsNonRoot"] is True
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
        assert {source["configMapRef"]["name"] for source in container["envFrom"]} <= maps
        assert {"requests", "limits"} <= set(container["resources"])
        assert {"livenessProbe", "readinessProbe"} <= set(container)
        items = {item["path"] for volume in pod["volumes"] for item in volume.get("secret", {}).get("items", [])}
        files = {var["value"].rsplit("/", 1)[1] for var in container["env"] if var["name"].endswith("_FILE")}
        assert files == items
        assert container["image"] == "registry.example.com/swapline:0.1.0"


@needs("kubectl", "kubernetes-client")
def test_the_board_knows_whose_addresses_of_callers_it_may_believe() -> None:
    [settings] = [one["data"] for one in rendered() if one["metadata"]["name"].startswith("swapline-settings")]
    assert ip_network(settings["FORWARDED_ALLOW_IPS"]).prefixlen >= 16  # an ingress, not everybody
    assert SERVICES["board"]["environment"]["FORWARDED_ALLOW_IPS"] == "${FORWARDED_ALLOW_IPS:-}"


@needs("kubectl", "kubernetes-client")
def test_a_scaled_object_scales_something_and_asks_for_metrics_that_there_are() -> None:
    objects = rendered()
    workers = {one["metadata"]["name"]: one for one in objects if one["kind"] == "Deployment"}
    scaled = [one for one in objects if one["kind"] == "ScaledObject"]
    assert {one["spec"]["scaleTargetRef"]["name"] for one in scaled} == {
        "swapline-worker-io",
        "swapline-worker-finalize",
    }
    source = "".join(file.read_text() for file in (ROOT / "workers").rglob("*.py"))
    for one in scaled:
        assert "replicas" not in workers[one["spec"]["scaleTargetRef"]["name"]]["spec"]
        assert one["spec"]["minReplicaCount"] >= 1  # without a due dispatcher no job is polled
        assert one["spec"]["fallback"]["replicas"] >= one["spec"]["minReplicaCount"]
        for trigger in one["spec"]["triggers"]:
            assert all(isinstance(value, str) for value in trigger["metadata"].values())
            names = set(re.findall(r"swapline_[a-z_]+", trigger["metadata"]["query"]))
            assert {name for name in names if re.sub("_(sum|count)$", "", name) not in source} == set()


@needs("promtool", "prometheus")
@needs("kubectl", "kubernetes-client")
def test_every_query_that_scales_can_be_read(tmp_path: Any) -> None:
    queries = [
        trigger["metadata"]["query"]
        for one in rendered()
        if one["kind"] == "ScaledObject"
        for trigger in one["spec"]["triggers"]
    ]
    rules = [{"record": f"scaling:{number}", "expr": query} for number, query in enumerate(queries)]
    file = tmp_path / "rules.yml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "scaling", "rules": rules}]}))
    checked = subprocess.run(["promtool", "check", "rules", file], capture_output=True, text=True, check=False)
    assert (checked.returncode, len(queries)) == (0, 3), checked.stderr


@needs("systemd-analyze", "systemd")
def test_systemd_can_read_the_unit_and_finds_it_hardened(tmp_path: Any) -> None:
    unit = tmp_path / "swapline.service"
    unit.write_text(
        (ROOT / "ops/systemd/swapline.service").read_text().replace("/opt/swapline/bin/swapline", "/bin/true")
    )
    verified = subprocess.run(["systemd-analyze", "verify", unit], capture_output=True, text=True, check=False)
    assert (verified.returncode, verified.stderr) == (0, "")
    asked = ["systemd-analyze", "security", "--offline=true", "--threshold=20", unit]
    judged = subprocess.run(asked, capture_output=True, text=True, check=False)
    assert judged.returncode == 0, judged.stdout
