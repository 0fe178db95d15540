"""What stands in deploy/ agrees with schemas, with the real tools, and with the program it starts."""

import importlib.util
import re
import shutil
import subprocess
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import jsonschema
import kubernetes_validate
import orjson
import pytest
import yaml

from docaxis.cli import main
from docaxis.commands.sizing import Measured, size_of
from docaxis.kafka.topics import plan_topics
from docaxis.settings import Settings, TopicSettings, load_settings
from monitor.alerting.rules_file import rule_groups
from monitor.dashboards.grafana import provisioning
from monitor.service_objectives import ServiceObjectives
from tests.support.manifests import Manifest, build, command_of, parse_command, pods
from tests.support.promql import exported, metrics_of

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
COMPOSE: dict[str, Any] = yaml.safe_load((DEPLOY / "compose.yaml").read_text(encoding="utf-8"))
OVERLAYS = {name: build(DEPLOY / "kubernetes" / "overlays" / name) for name in ("small", "large")}
#: Groups of custom resources, whose schemas come with their operators and are not to be had here.
CUSTOM = ("kafka.strimzi.io", "keda.sh", "monitoring.coreos.com")
KUBERNETES = "1.33"

every_overlay = pytest.mark.parametrize("manifests", OVERLAYS.values(), ids=OVERLAYS)


def _roles() -> dict[str, dict[str, Any]]:
    return {name: one for name, one in COMPOSE["services"].items() if one["image"].startswith("docaxis:")}


def _of_kind(manifests: list[Manifest], kind: str) -> list[Manifest]:
    return [one for one in manifests if one["kind"] == kind]


def _settings(environment: dict[str, str]) -> Settings:
    sections = {name: getattr(Settings(), name).model_dump() for name in ("kafka", "topics", "broker", "paths")}
    known = {f"DOCAXIS_{name}_{key}".upper() for name, keys in sections.items() for key in keys}
    assert set(environment) <= known, "a variable that docaxis does not know"
    return load_settings(environ=environment)


def test_compose_follows_its_schema() -> None:
    spec = importlib.util.find_spec("check_jsonschema")
    assert spec is not None
    assert spec.origin is not None
    file = Path(spec.origin).parent / "builtin_schemas" / "vendor" / "compose-spec.json"
    validator = jsonschema.validators.validator_for(schema := orjson.loads(file.read_bytes()))(schema)
    assert [error.message for error in validator.iter_errors(COMPOSE)] == []
    broken = COMPOSE | {"services": COMPOSE["services"] | {"hub": {"comand": []}}}
    assert not validator.is_valid(broken)  # the schema does look


def test_compose_refers_to_what_there_is() -> None:
    services = COMPOSE["services"]
    for name, service in services.items():
        assert re.fullmatch(r"[a-z/]+:v?\d+\.\d+\.\d+", service["image"]), f"{name} is not pinned: {service['image']}"
        assert set(service.get("depends_on", ())) <= set(services)
        for volume in service.get("volumes", ()):
            source = volume.split(":")[0]
            assert (DEPLOY / source).is_dir() if source.startswith(".") else source in COMPOSE["volumes"], volume
        for port in service.get("ports", ()):
            assert port.startswith("127.0.0.1:"), f"{name} listens everywhere: {port}"
    assert (ROOT / "deploy" / COMPOSE["services"]["hub"]["build"]["dockerfile"].removeprefix("deploy/")).exists()


def test_what_grafana_keeps_is_in_its_volume_and_its_dashboards_are_where_it_looks() -> None:
    grafana = COMPOSE["services"]["grafana"]
    folders = dict(volume.split(":")[1::-1] for volume in grafana["volumes"])
    assert folders["/var/lib/grafana"] == "grafana"  # the image keeps grafana.db there (GF_PATHS_DATA)
    assert [place for place in folders if place.startswith("/var/lib/grafana/")] == []  # nothing hides a part of it
    (provider,) = provisioning()["provisioning/dashboards/docaxis.yaml"]["providers"]  # type: ignore[index]
    assert folders[provider["options"]["path"]] == "./grafana/dashboards"
    home = Path(grafana["environment"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"])
    assert (str(home.parent), (DEPLOY / "grafana" / "dashboards" / home.name).exists()) == (
        provider["options"]["path"],
        True,
    )


def test_the_command_lines_are_understood_by_the_commands() -> None:
    for service in _roles().values():
        words = [re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", str(word)) for word in service["command"]]
        parse_command(words)
    for manifests in OVERLAYS.values():
        for _, pod in pods(manifests):
            parse_command(command_of(pod["spec"]["containers"][0]))
    with pytest.raises(Exception, match="--metrics-hots"):
        parse_command(["hub", "--metrics-hots", "0.0.0.0"])


def test_the_settings_in_the_manifests_are_settings() -> None:
    for service in _roles().values():
        settings = _settings(service["environment"])
        brokers = [name for name in COMPOSE["services"] if name.startswith("kafka-")]
        assert settings.topics.replication == len(brokers)
        assert [one.split(":")[0] for one in settings.kafka.bootstrap_servers.split(",")] == brokers


def test_the_image_is_pinned_and_small_and_runs_as_nobody() -> None:
    text = (DEPLOY / "Dockerfile").read_text(encoding="utf-8")
    assert re.search(r"^ARG BASE=python:\d+\.\d+\.\d+-slim-\w+$", text, re.MULTILINE)
    assert set(re.findall(r"^FROM (\S+)", text, re.MULTILINE)) == {"${BASE}"}
    assert re.findall(r"^USER (.+)$", text, re.MULTILINE) == ["10001:10001"]
    for sources in re.findall(r"^COPY (?!--from)(.+) \S+$", text, re.MULTILINE):
        for source in sources.split():
            assert (ROOT / source).exists(), source
            assert f"!{source}" in (ROOT / ".dockerignore").read_text(encoding="utf-8"), source
    assert "requirements-dev" not in text
    assert 'ENTRYPOINT ["docaxis"]' in text


@every_overlay
def test_kubernetes_own_kinds_follow_the_api_schemas(manifests: list[Manifest]) -> None:
    own = [one for one in manifests if not one["apiVersion"].startswith(CUSTOM)]
    assert {one["kind"] for one in own} == {
        "Namespace",
        "ConfigMap",
        "Deployment",
        "PodDisruptionBudget",
        "NetworkPolicy",
        "Service",
    }
    for one in own:
        kubernetes_validate.validate(one, KUBERNETES, strict=True)
    broken = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "x"}, "dato": {}}
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(broken, KUBERNETES, strict=True)


@every_overlay
def test_every_role_is_guarded(manifests: list[Manifest]) -> None:
    roles = dict(pods(manifests))
    assert set(roles) == {"hub", "stream", "fleet", "canary", "monitor"}
    for name, pod in roles.items():
        (container,) = pod["spec"]["containers"]
        probes = {probe: container[f"{probe}Probe"]["httpGet"] for probe in ("startup", "liveness", "readiness")}
        assert {probe: get["path"] for probe, get in probes.items()} == {
            "startup": "/healthz", "liveness": "/healthz", "readiness": "/readyz",
        }  # fmt: skip
        assert {get["port"] for get in probes.values()} == {"metrics"}
        assert container["ports"] == [{"name": "metrics", "containerPort": 9400}]
        assert str(9400) in command_of(container)
        assert set(container["resources"]["requests"]) == {"cpu", "memory"}
        assert "memory" in container["resources"]["limits"]
        assert container["securityContext"]["readOnlyRootFilesystem"]
        assert pod["spec"]["securityContext"]["runAsNonRoot"]
        assert pod["metadata"]["labels"]["app.kubernetes.io/component"] == name
    budgets = [_chosen(manifests, one["spec"]["selector"]) for one in _of_kind(manifests, "PodDisruptionBudget")]
    assert sorted(budgets, key=sorted) == [{"hub"}, {"monitor"}, {"stream"}]


@every_overlay
def test_topics_scaling_and_settings_agree(manifests: list[Manifest]) -> None:
    (settings_map,) = [one for one in _of_kind(manifests, "ConfigMap") if one["metadata"]["name"] == "docaxis-settings"]
    settings = _settings(settings_map["data"])
    topics = {one["metadata"]["name"]: one["spec"] for one in _of_kind(manifests, "KafkaTopic")}
    assert topics == {
        plan.name: {"partitions": plan.partitions, "replicas": plan.replication, "config": dict(plan.config)}
        for plan in plan_topics(settings.topics)
    }
    (nodes,) = _of_kind(manifests, "KafkaNodePool")
    assert nodes["spec"]["replicas"] >= settings.topics.replication > settings.topics.min_insync_replicas
    replicas = {one["metadata"]["name"]: one["spec"]["replicas"] for one in _of_kind(manifests, "Deployment")}
    scaled = [one["spec"] for one in _of_kind(manifests, "ScaledObject")]
    assert sorted(spec["scaleTargetRef"]["name"] for spec in scaled) == ["hub", "stream"]
    for spec in scaled:
        assert spec["minReplicaCount"] == replicas[spec["scaleTargetRef"]["name"]]
        assert spec["maxReplicaCount"] <= settings.topics.partitions  # one more would have nothing to do
        assert spec["triggers"]
        for trigger in spec["triggers"]:
            assert trigger["metricType"] == "Value"  # the default is the average: lag divided by replicas
            query = trigger["metadata"]["query"]
            assert metrics_of(query) <= exported()
            assert f'group="{settings.topics.prefix}-' in query


def _bytes(text: str) -> float:
    """Return a size as Kubernetes and compose write it."""
    units = {"Gi": 2**30, "g": 2**30, "Mi": 2**20, "m": 2**20}
    number, unit = re.fullmatch(r"(\d+)([A-Za-z]+)", text).groups()  # type: ignore[union-attr]
    return float(int(number) * units[unit])


def _at_most_bytes(command: list[str], topics: TopicSettings) -> float:
    """Return what a stream worker of this command line may come to, left alone with all partitions."""
    horizon = parse_command(command)["remember"]
    documents = int(topics.partitions * horizon / (topics.retention_hours / 24) / Measured().fan_out)
    size = size_of(documents, 1, Measured(), topics, horizon)
    assert size.partitions == topics.partitions  # as many a day as these partitions can remember for as long as kept
    return size.memory_bytes_max


@pytest.mark.parametrize("name", ["base", *OVERLAYS])
def test_a_worker_that_is_left_with_all_partitions_fits_into_its_limit(name: str) -> None:
    manifests = OVERLAYS.get(name) or build(DEPLOY / "kubernetes" / name)
    (settings_map,) = [one for one in _of_kind(manifests, "ConfigMap") if one["metadata"]["name"] == "docaxis-settings"]
    (container,) = dict(pods(manifests))["stream"]["spec"]["containers"]
    at_most = _at_most_bytes(command_of(container), _settings(settings_map["data"]).topics)
    assert _bytes(container["resources"]["limits"]["memory"]) >= at_most


def test_a_worker_of_compose_fits_into_its_limit() -> None:
    service = COMPOSE["services"]["stream"]
    at_most = _at_most_bytes(service["command"], _settings(service["environment"]).topics)
    assert _bytes(service["mem_limit"]) >= at_most
    assert at_most > 800e6  # the limit is no empty promise


def test_what_counts_as_lost_is_the_same_to_the_objective_and_the_workers() -> None:
    (promise,) = ServiceObjectives.load().zero
    workers = [_roles()["stream"]["command"]]
    workers += [command_of(dict(pods(one))["stream"]["spec"]["containers"][0]) for one in OVERLAYS.values()]
    assert {parse_command(command)["lost_after"] for command in workers} == {promise.threshold_s}


def _chosen(manifests: list[Manifest], selector: Manifest) -> set[str]:
    """Return the roles whose pods a selector chooses."""
    wanted = selector["matchLabels"].items()
    return {name for name, pod in pods(manifests) if wanted <= pod["metadata"]["labels"].items()}


@every_overlay
def test_monitoring_and_network_name_what_there_is(manifests: list[Manifest]) -> None:
    (monitor,) = _of_kind(manifests, "PodMonitor")
    chosen = monitor["spec"]["selector"]["matchLabels"].items()
    assert all(chosen <= pod["metadata"]["labels"].items() for _, pod in pods(manifests))
    assert {end["port"] for end in monitor["spec"]["podMetricsEndpoints"]} == {"metrics"}
    (relabelled,) = monitor["spec"]["podMetricsEndpoints"][0]["relabelings"]
    (source,) = relabelled["sourceLabels"]
    assert (source, relabelled["targetLabel"]) == (
        "__meta_kubernetes_pod_label_app_kubernetes_io_component",
        "component",
    )
    assert {pod["metadata"]["labels"]["app.kubernetes.io/component"] for _, pod in pods(manifests)} >= {"hub", "stream"}
    job = monitor["spec"]["jobLabel"]
    assert {pod["metadata"]["labels"][job] for _, pod in pods(manifests)} == {"docaxis"}
    (rules,) = _of_kind(manifests, "PrometheusRule")
    assert rules["spec"]["groups"] == rule_groups(ServiceObjectives.load())
    policies = {one["metadata"]["name"]: one["spec"] for one in _of_kind(manifests, "NetworkPolicy")}
    assert _chosen(manifests, policies.pop("docaxis-roles")["podSelector"]) == set(dict(pods(manifests)))
    # The page asks the stream workers, and nobody else asks anybody: both ends allow the same.
    (asks,), (answers,) = policies["docaxis-monitor"]["egress"], policies["docaxis-stream"]["ingress"]
    assert asks["ports"] == answers["ports"] == [{"port": "metrics"}]
    for name, peers in (("docaxis-monitor", answers["from"]), ("docaxis-stream", asks["to"])):
        wanted = _chosen(manifests, policies[name]["podSelector"])
        assert wanted == {name.removeprefix("docaxis-")} == _chosen(manifests, peers[0]["podSelector"])
    (service,) = _of_kind(manifests, "Service")
    assert _chosen(manifests, {"matchLabels": service["spec"]["selector"]}) == {"monitor"}
    assert [port["targetPort"] for port in service["spec"]["ports"]] == ["metrics"]
    dashboards = [one for one in _of_kind(manifests, "ConfigMap") if "grafana_dashboard" in one["metadata"]["labels"]]
    assert {name for one in dashboards for name in one["data"]} == {
        path.name for path in (DEPLOY / "grafana" / "dashboards").glob("*.json")
    }


def test_the_generated_manifests_are_current() -> None:
    folder = DEPLOY / "kubernetes" / "base" / "generated"
    assert main(["generate", "kubernetes", "--output", str(folder), "--check"]) == 0


@pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool (of Prometheus) is not on PATH")
def test_prometheus_takes_its_configuration_and_scrapes_every_role() -> None:
    file = DEPLOY / "prometheus" / "prometheus.yml"
    done = subprocess.run(["promtool", "check", "config", str(file)], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    config = yaml.safe_load(file.read_text(encoding="utf-8"))
    (job,) = config["scrape_configs"]
    assert job["job_name"] == "docaxis"
    targets = {target.partition(":")[0] for one in job["static_configs"] for target in one["targets"]}
    with_endpoints = {name for name, one in _roles().items() if "--metrics-host" in one["command"]}
    (relabelled,) = job["relabel_configs"]
    addresses = [target for one in job["static_configs"] for target in one["targets"]]
    found = [re.fullmatch(relabelled["regex"], address) for address in addresses]
    assert {one[1] for one in found if one} == targets
    assert relabelled["target_label"] == "component"
    assert targets == with_endpoints | {"monitor"} == set(_roles()) - {"topics"}
    command = _roles()["monitor"]["command"]
    assert command[command.index("--allow-host") + 1] == "monitor"  # the name that Prometheus asks under


@pytest.mark.skipif(shutil.which("amtool") is None, reason="amtool (of Alertmanager) is not on PATH")
@pytest.mark.parametrize(
    ("labels", "receiver"),
    [
        (["severity=page", "part=ledger"], "page"),
        (["severity=ticket", "part=pipeline"], "ticket"),
        (["severity=ticket", "part=load"], "load"),
        (["severity=other"], "nobody"),
    ],
)
def test_alertmanager_takes_its_configuration_and_routes(labels: list[str], receiver: str) -> None:
    file = str(DEPLOY / "alertmanager" / "alertmanager.yml")
    done = subprocess.run(["amtool", "check-config", file], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    routed = ["amtool", "config", "routes", "test", f"--config.file={file}", f"--verify.receivers={receiver}", *labels]
    done = subprocess.run(routed, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr


def _matches(matcher: str, labels: dict[str, str]) -> bool:
    """Whether labels match as Alertmanager says; a label that is missing is an empty one."""
    name, operator, value = re.fullmatch(r'(\w+)\s*(=~|!~|!=|=)\s*"?(.*?)"?', matcher).groups()  # type: ignore[union-attr]
    is_equal = (
        re.fullmatch(value, labels.get(name, "")) if "~" in operator else labels.get(name, "") == value
    ) or False
    return bool(is_equal) != operator.startswith("!")


def _silences(source: dict[str, str], target: dict[str, str]) -> bool:
    """Whether the shipped configuration inhibits one alert while another one fires."""
    config = yaml.safe_load((DEPLOY / "alertmanager" / "alertmanager.yml").read_text(encoding="utf-8"))
    return any(
        all(_matches(one, source) for one in rule["source_matchers"])
        and all(_matches(one, target) for one in rule["target_matchers"])
        and all(source.get(name, "") == target.get(name, "") for name in rule.get("equal", ()))
        for rule in config["inhibit_rules"]
    )


_UNOWNED = {
    one: {"alertname": "DocaxisPartitionsUnowned", "severity": "page", "component": one} for one in ("hub", "stream")
}
_RISING = {one: {"alertname": "DocaxisLagRising", "group": f"axis-{one}"} for one in ("hub", "streams", "agencies")}
_STUCK = {"alertname": "DocaxisCanaryStuck"}


@pytest.mark.parametrize(
    ("component", "silenced"),
    [
        ("hub", [_UNOWNED["hub"], _RISING["hub"], _STUCK]),
        ("stream", [_UNOWNED["stream"], _RISING["streams"]]),
        ("canary", []),
        ("fleet", []),
        ("monitor", []),
        ("", []),  # scraped by a configuration that does not say
    ],
)
def test_a_role_that_is_down_silences_only_what_it_explains(component: str, silenced: list[dict[str, str]]) -> None:
    down = {"alertname": "DocaxisRoleDown", "severity": "page", "part": "pipeline"}
    down |= {"component": component} if component else {}
    bare = {"alertname": "DocaxisPartitionsUnowned", "severity": "page"}
    others = [{"alertname": name} for name in ("DocaxisCanaryOverdue", "DocaxisDeliveriesLost", "DocaxisLagStalled")]
    targets = [*_UNOWNED.values(), *_RISING.values(), _STUCK, bare, *others]
    assert [one for one in targets if _silences(down, one)] == silenced


def test_the_faster_window_of_a_budget_silences_the_slower_ones_of_that_budget_alone() -> None:
    page = {"part": "objectives", "severity": "page", "objective": "routing"}
    ticket = page | {"severity": "ticket"}
    assert _silences(page, ticket)
    assert not _silences(page, ticket | {"objective": "delivery_latency"})
    assert not _silences(ticket, ticket)


_WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")


def _lies_in(interval: dict[str, Any], moment: datetime) -> bool:
    """Whether a moment lies in one of Alertmanager's intervals of times and weekdays."""
    local = moment.astimezone(ZoneInfo(interval["location"]))
    clock = f"{local:%H:%M}"
    return (
        set(interval) <= {"times", "weekdays", "location"}
        and any(one["start_time"] <= clock < one["end_time"] for one in interval.get("times", [_DAY]))
        and _WEEKDAYS[local.weekday()] in interval.get("weekdays", _WEEKDAYS)
    )


_DAY = {"start_time": "00:00", "end_time": "24:00"}


@pytest.mark.parametrize(
    ("moment", "waits"),
    [
        ("2026-11-27T07:29+07:00", True),  # a Friday
        ("2026-11-27T07:30+07:00", False),
        ("2026-11-27T17:59+07:00", False),
        ("2026-11-27T18:00+07:00", True),
        ("2026-11-28T10:00+07:00", True),
        ("2026-11-29T23:59+07:00", True),
        ("2026-11-30T00:30+00:00", False),  # half past seven on Monday in Vietnam
        ("2027-02-08T10:00+07:00", False),  # Tết: not in it, and so it is said
    ],
)
def test_tickets_wait_for_the_morning_of_a_weekday_and_pages_for_nothing(moment: str, waits: bool) -> None:
    config = yaml.safe_load((DEPLOY / "alertmanager" / "alertmanager.yml").read_text(encoding="utf-8"))
    intervals = {one["name"]: one["time_intervals"] for one in config["time_intervals"]}
    muted = {
        route["receiver"]: any(
            _lies_in(one, datetime.fromisoformat(moment))
            for name in route.get("mute_time_intervals", ())
            for one in intervals[name]
        )
        for route in config["route"]["routes"]
    }
    assert muted == {"load": False, "page": False, "ticket": waits}
