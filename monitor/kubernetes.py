"""The Kubernetes manifests that repeat what stands elsewhere: topics, rules, dashboards. Data in, manifests out."""

from collections.abc import Iterator
from typing import Any

from docaxis.kafka.topics import plan_topics
from docaxis.settings import TopicSettings
from monitor.alerting.rules_file import rule_groups
from monitor.dashboards import BOARDS
from monitor.dashboards.grafana import dashboard_json
from monitor.service_objectives import ServiceObjectives

LABELS = {"app.kubernetes.io/name": "docaxis", "app.kubernetes.io/part-of": "docaxis"}

#: The Kafka cluster's name, which Strimzi's topics belong to.
CLUSTER = "axis"

#: How the topics are in the base; overlays replace the partitions.
TOPICS = TopicSettings(partitions=6, replication=3, min_insync_replicas=2)


def topics() -> Iterator[dict[str, Any]]:
    """Yield a KafkaTopic for each topic, exactly as `docaxis topics create` would make it."""
    for plan in plan_topics(TOPICS):
        yield {
            "apiVersion": "kafka.strimzi.io/v1beta2",
            "kind": "KafkaTopic",
            "metadata": {"name": plan.name, "labels": LABELS | {"strimzi.io/cluster": CLUSTER}},
            "spec": {"partitions": plan.partitions, "replicas": plan.replication, "config": dict(plan.config)},
        }


def prometheus_rule(objectives: ServiceObjectives) -> dict[str, Any]:
    """Return all rules as a PrometheusRule."""
    return {
        "apiVersion": "monitoring.coreos.com/v1",
        "kind": "PrometheusRule",
        "metadata": {"name": "docaxis", "labels": LABELS},
        "spec": {"groups": rule_groups(objectives)},
    }


def dashboards() -> Iterator[dict[str, Any]]:
    """Yield a ConfigMap for each dashboard, labelled as Grafana's sidecar looks for them."""
    for board in BOARDS:
        yield {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": board.uid, "labels": LABELS | {"grafana_dashboard": "1"}},
            "data": {f"{board.uid}.json": dashboard_json(board)},
        }
