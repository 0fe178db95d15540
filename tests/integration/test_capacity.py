"""A search for the capacity on a real broker: the hub is limited on purpose, so the answer is known beforehand."""

import asyncio
import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

from docaxis.commands.capacity import CapacityTest, _search
from docaxis.commands.load_test import prepare
from docaxis.settings import KafkaSettings, PathSettings, Settings, TopicSettings
from monitor.capacity import Finding, Plan
from monitor.words import Language

#: Deliveries a second.
LIMIT = 200

#: Every document has one recipient, so that what is offered is the rate and not about the rate. The generator's bounds
#: are wide: how punctual it is on a busy machine is not the subject.
WORKLOAD = f"""
name = "limited"
[[phases]]
name = "load"
duration = "10 s"
rate = "{LIMIT} deliveries/s"
[[phases]]
name = "drain"
kind = "drain"
duration = "10 s"
[[traffic]]
fan_out = 1.0
[generator]
schedule_error_p99 = "60 s"
loop_lag_p99 = "60 s"
clock_step = "60 s"
[[faults]]
kind = "limited-hub"
rate = "{LIMIT} deliveries/s"
"""


@pytest.fixture(autouse=True)
def _logging_as_before() -> Iterator[None]:
    """Give back the handlers that a run's log replaces."""
    handlers = list(logging.getLogger().handlers)
    yield
    for handler in set(logging.getLogger().handlers) - set(handlers):
        logging.getLogger().removeHandler(handler)
        handler.close()
    logging.getLogger().handlers[:] = handlers


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_the_interval_found_holds_the_limit_to_a_tenth_and_the_limit_is_named(
    kafka: KafkaSettings, topic_settings: TopicSettings, tmp_path: Path
) -> None:
    (tmp_path / "limited.toml").write_text(WORKLOAD, encoding="utf-8")
    name = str(tmp_path / "limited.toml")
    paths = PathSettings(home=tmp_path / "home", runs=tmp_path / "runs")
    # Three rates and the last one again. A limited hub may make up for a second in which nothing came, so a rate above
    # the limit by 15 % is carried for seven seconds: no step may settle for less.
    plan = Plan(160, 10, 400, factor=1.2, precision=0.21, settle_s=8, measure_s=6, confirm_s=6)
    test = CapacityTest(name, plan, prepare(name))
    settings = Settings(kafka=kafka, topics=topic_settings, paths=paths)
    answer, search = asyncio.run(_search(settings, test, None, Language.EN))
    steps = [(one.step.kind.value, round(one.step.rate), one.held, one.achieved_rate) for one in search.outcomes]
    assert answer.finding is Finding.FOUND, steps
    # On a machine that is busy with other tests a rate below the limit may fail; a rate above it must never hold.
    assert answer.rate <= 1.1 * LIMIT, steps
    assert answer.upper >= 0.9 * LIMIT, steps
    assert answer.limit is not None
    assert answer.limit.resource == "the hub's limit, set on purpose", (answer.limit, steps)
    assert all((tmp_path / "runs" / one.run / "result.json").exists() for one in search.outcomes)
    assert all({"hub", "stream"} <= set(one.busy) for one in search.outcomes)
