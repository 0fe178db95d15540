"""An onboarding test on a real broker: a ten-fold agency on a hub limited on purpose, and on one that is not.

Each side is run once and stands for all its repetitions, so that the test is short: what repetitions are for, telling
noise from change, is tested on figures with a known noise (`tests/properties/test_onboarding.py`).
"""

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import orjson
import pytest

from docaxis.commands import onboard
from docaxis.commands.onboard_agencies import joining_agencies, registry_with
from docaxis.commands.onboard_runs import Baseline, OnboardingRuns, Ran
from docaxis.domain.agency import Registry
from docaxis.kafka.topics import Topics, delete_topics
from docaxis.settings import KafkaSettings, PathSettings, Settings, TopicSettings
from docaxis.workload.model import Newcomer
from monitor.report import report_html
from monitor.run_folder import load_run
from monitor.words import Language

#: Deliveries a second: what the baseline offers, and what a limited hub carries. An agency ten times as busy as G22
#: brings somewhat more than the baseline again, so the hub falls behind by several seconds while it is measured.
OFFERED, LIMIT = 80, 100

WORKLOAD = f"""
name = "base"
[[phases]]
name = "load"
duration = "7 s"
rate = "{OFFERED} deliveries/s"
arrivals = "constant"
[[phases]]
name = "drain"
kind = "drain"
duration = "60 s"
[[traffic]]
fan_out = 1.0
[generator]
schedule_error_p99 = "60 s"
loop_lag_p99 = "60 s"
clock_step = "60 s"
[[objectives]]
name = "nothing lost"
count = "lost"
[[objectives]]
name = "delivered in time"
stage = "delivery"
percentile = 99
at_most = "{{at_most}}"
"""
LIMITED = f"""
[[faults]]
kind = "limited-hub"
rate = "{LIMIT} deliveries/s"
"""


class EachOnce:
    """Onboarding runs of which each side is made once."""

    def __init__(self, runs: OnboardingRuns) -> None:
        self._runs = runs
        self._made: dict[bool, Ran] = {}
        self.baseline, self.newcomers, self.tell = runs.baseline, runs.newcomers, runs.tell

    async def run(self, *, joined: bool) -> Ran:
        if joined not in self._made:
            self._made[joined] = await self._runs.run(joined=joined)
        return self._made[joined]


@pytest.fixture(autouse=True)
def _logging_as_before() -> Iterator[None]:
    """Give back the handlers that a run's log replaces."""
    handlers = list(logging.getLogger().handlers)
    yield
    for handler in set(logging.getLogger().handlers) - set(handlers):
        logging.getLogger().removeHandler(handler)
        handler.close()
    logging.getLogger().handlers[:] = handlers


async def _onboarded(
    kafka: KafkaSettings, topics: TopicSettings, folder: Path, workload: str
) -> tuple[dict[str, Any], Registry]:
    """Return the result of an onboarding test, and the registry with the newcomer."""
    (folder / "base.toml").write_text(workload, encoding="utf-8")
    base = Baseline.of(str(folder / "base.toml"), registry=None, seed=None, hub=None, measure_s=None)
    before = Registry.load()
    registry = registry_with(before, joining_agencies("H95", "G22", None, before))
    target = folder / "runs" / "onboard-1"
    target.mkdir(parents=True)
    (target / "registry.csv").write_text(registry.to_csv(), encoding="utf-8")
    paths = PathSettings(home=folder / "home", runs=folder / "runs")
    newcomer = Newcomer(code="H95", like="G22", factor=10)
    runs = OnboardingRuns(
        Settings(kafka=kafka, topics=topics, paths=paths),
        base,
        [newcomer],
        (target / "registry.csv").absolute(),
        1,
        None,
        print,
    )
    found = await onboard._find(cast(OnboardingRuns, EachOnce(runs)), registry, 3, headroom=False)
    return onboard.conclude(target, found, 0.0), registry


@pytest.mark.slow
@pytest.mark.timeout(400)
async def test_a_tenfold_agency_on_a_limited_hub_is_not_ready_and_the_limit_is_named(
    kafka: KafkaSettings, topic_settings: TopicSettings, tmp_path: Path
) -> None:
    workload = WORKLOAD.format(at_most="3 s") + LIMITED
    result, registry = await _onboarded(kafka, topic_settings, tmp_path, workload)
    told = result["onboarding"]
    assert (told["answer"], result["exit_code"]) == ("not ready", 1), told["reasons"]
    limit = next(reason["subject"] for reason in told["reasons"] if reason["kind"] == "limit")
    assert f"limited to {LIMIT} deliveries/s" in limit
    assert told["headroom"]["ratio"] < 0.9
    target = tmp_path / "runs" / "onboard-1"
    (target / "result.json").write_bytes(orjson.dumps(result))
    assert "giới hạn cố ý đặt cho trục" in report_html(load_run(target), registry, Language.VI)


@pytest.mark.slow
@pytest.mark.timeout(400)
async def test_the_same_agency_on_a_hub_without_a_limit_speaks_against_nothing(
    kafka: KafkaSettings, topic_settings: TopicSettings, tmp_path: Path
) -> None:
    result, _ = await _onboarded(kafka, topic_settings, tmp_path, WORKLOAD.format(at_most="60 s"))
    told = result["onboarding"]
    assert (told["answer"], result["exit_code"]) == ("ready with conditions", 0), told["reasons"]
    # Headroom was not looked for. Nobody waits by a tenth of the objective's minute longer, neither one agency nor all
    # together, and three equal pairs would have shown it.
    assert [reason["kind"] for reason in told["reasons"]] == ["headroom unknown"]
    assert (told["smallest_slowdown"]["unseen"], told["smallest_slowdown"]["typical"]) == (0, 0.05)
    newcomer = told["newcomers"][0]
    share = newcomer["offered_per_second"] / result["rates"]["offered_deliveries_per_second"]
    assert newcomer["keeps_up"]
    assert 0.15 < share < 0.6, "ten times what the Government Office receives"
    ledger = result["ledger"]
    assert ledger["delivered_once"] == ledger["deliveries_expected"] > 0
    assert await delete_topics(kafka, Topics(f"{topic_settings.prefix}-{told['pairs'][0]['with']}").all) == []
