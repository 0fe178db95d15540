"""Topics on a real broker: created as planned, checked, every difference told at once."""

from pathlib import Path

import pytest

from docaxis.cli import main
from docaxis.domain.errors import ClusterError, UnreachableError
from docaxis.kafka.topics import TopicPlan, Topics, check_topics, delete_topics, ensure_topics, plan_topics
from docaxis.settings import KafkaSettings, TopicSettings


@pytest.fixture
def plans(topic_settings: TopicSettings) -> tuple[TopicPlan, ...]:
    return plan_topics(topic_settings)


async def test_created_once_then_checked(kafka: KafkaSettings, plans: tuple[TopicPlan, ...]) -> None:
    names = [plan.name for plan in plans]
    assert await ensure_topics(kafka, plans) == names
    assert await ensure_topics(kafka, plans) == []
    await check_topics(kafka, plans)
    assert await delete_topics(kafka, [*names, "never-was"]) == names


async def test_all_that_is_missing_is_listed(kafka: KafkaSettings, plans: tuple[TopicPlan, ...]) -> None:
    with pytest.raises(ClusterError) as caught:
        await check_topics(kafka, plans)
    assert [f"{plan.name}: does not exist" in str(caught.value) for plan in plans] == [True] * 7
    assert "docaxis topics create" in caught.value.next_step


async def test_every_difference_is_listed_and_nothing_is_created(
    kafka: KafkaSettings, topic_settings: TopicSettings
) -> None:
    topics = Topics(topic_settings.prefix)
    found = [
        TopicPlan(topics.sent, 3, 1, {"retention.ms": "60000"}),
        TopicPlan(topics.ledger, 4, 1, {"cleanup.policy": "delete"}),
    ]
    await ensure_topics(kafka, found)
    with pytest.raises(ClusterError) as caught:
        await ensure_topics(kafka, plan_topics(topic_settings))
    told = str(caught.value)
    assert f"{topics.sent}: 3 partitions, 4 wanted" in told
    assert f"{topics.sent}: retention.ms=60000, 604800000 wanted" in told
    assert f"{topics.ledger}: cleanup.policy=delete, compact wanted" in told
    assert len(told.splitlines()) == 4
    assert caught.value.exit_code == 4
    assert sorted(await delete_topics(kafka, topics.all)) == sorted([topics.sent, topics.ledger])


async def test_more_replicas_than_brokers_is_kafkas_refusal_in_our_words(
    kafka: KafkaSettings, topic_settings: TopicSettings
) -> None:
    plans = plan_topics(topic_settings.model_copy(update={"replication": 3}))
    with pytest.raises(ClusterError, match=r"replication") as caught:
        await ensure_topics(kafka, plans)
    assert "number of brokers" in caught.value.next_step


@pytest.mark.parametrize(
    "command",
    [["hub"], ["stream"], ["fleet", "--run", "r"], ["canary"], ["control", "latest", "pause"], ["record", "out"]],
)
def test_a_command_on_topics_that_do_not_exist_says_so_at_once(
    kafka: KafkaSettings,
    command: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    where = ["--bootstrap-servers", kafka.bootstrap_servers, "--prefix", "nowhere"]
    assert main([*command, *where]) == 4
    said = capsys.readouterr().err
    assert "These topics do not exist on" in said
    assert "docaxis topics create" in said
    assert not list(tmp_path.iterdir())


async def test_an_unreachable_cluster(plans: tuple[TopicPlan, ...]) -> None:
    with pytest.raises(UnreachableError):
        await check_topics(KafkaSettings(bootstrap_servers="127.0.0.1:1"), plans)


def test_names_and_plans() -> None:
    topics = Topics("vn")
    assert (topics.sent, topics.control) == ("vn.sent", "vn.control")
    assert topics.short_name(topics.readings) == "readings"
    assert len(topics.all) == len(set(topics.all)) == 7
    plans = {topics.short_name(p.name): p for p in plan_topics(TopicSettings(prefix="vn", partitions=6))}
    assert {name: plan.partitions for name, plan in plans.items()} == {
        **dict.fromkeys(("sent", "delivered", "status", "refused", "readings", "ledger"), 6),
        "control": 1,
    }
    compacted = {name for name, plan in plans.items() if plan.config["cleanup.policy"] == "compact"}
    assert compacted == {"readings", "ledger", "control"}
