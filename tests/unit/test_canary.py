"""A canary's documents: what is counted, what is late, and that none of it is traffic."""

import pytest

from docaxis.cli import main
from docaxis.domain.clock import ManualClock
from docaxis.domain.run import canary_run, is_canary
from docaxis.kafka.topics import Topics
from producers.canary import Canary, CanarySettings
from producers.canary_metrics import CanaryMetrics
from producers.canary_watch import CanaryStage, CanaryStats, CanaryWatch
from tests.support.events import SENT_US, delivered, receipt, record, records, refusal, sent
from tests.support.metrics import value

RUN = canary_run("main")
P1, P2 = f"{RUN}.1.0.0", f"{RUN}.1.1.0"


def _watch(until: CanaryStage = CanaryStage.RECEIPT, waiting_max: int = 100) -> CanaryWatch:
    return CanaryWatch(CanaryStats(), until, lost_after_us=5_000_000, waiting_max=waiting_max)


def test_a_document_is_timed_at_each_stage_once() -> None:
    watch = _watch()
    watch.sent(P1, SENT_US)
    for _ in range(2):
        watch.reached(P1, CanaryStage.INBOX, SENT_US + 2_000)
    assert (watch.outstanding, watch.stats.received) == (1, 0)
    for _ in range(2):
        watch.reached(P1, CanaryStage.RECEIPT, SENT_US + 3_000)
    assert (watch.outstanding, watch.stats.received, watch.stats.documents) == (0, 1, 1)
    assert [watch.stats.latency[stage].count for stage in CanaryStage] == [1, 1]
    assert [watch.stats.latency[stage].sum_us for stage in CanaryStage] == [2_000, 3_000]


def test_a_lost_one_that_arrives_is_in_the_histogram_with_its_whole_latency() -> None:
    watch = _watch()
    watch.sent(P1, SENT_US)
    assert [watch.overdue(SENT_US + us) for us in (5_000_000, 5_000_001)] == [0, 1]
    assert watch.oldest_us(SENT_US + 7) == 7
    watch.reached(P1, CanaryStage.RECEIPT, SENT_US + 60_000_000)
    assert (watch.overdue(SENT_US + 60_000_000), watch.oldest_us(SENT_US + 60_000_000)) == (0, 0)
    assert watch.stats.latency[CanaryStage.RECEIPT].max_us == 60_000_000


def test_what_failed_or_was_refused_is_waited_for_no_longer() -> None:
    watch = _watch()
    for packet in (P1, P2):
        watch.sent(packet, SENT_US)
    watch.failed(P1, "KafkaTimeoutError")
    watch.refused(P2, 18)
    watch.refused(P2, 18)
    watch.refused("somebody else's", 18)
    assert watch.outstanding == 0
    assert (watch.stats.errors, watch.stats.refused) == ({"KafkaTimeoutError": 1}, {18: 1})


def test_no_more_are_waited_for_than_the_bound() -> None:
    watch = _watch(waiting_max=2)
    for number in range(5):
        watch.sent(f"{RUN}.1.{number}.0", SENT_US + number)
    assert (watch.outstanding, watch.stats.forgotten) == (2, 3)
    assert watch.oldest_us(SENT_US + 10) == 7


def test_only_the_canarys_own_events_are_seen_among_all() -> None:
    clock, watch = ManualClock(SENT_US), _watch()
    canary = Canary(CanarySettings({}, Topics("axis"), 1, RUN, "G22", ["H53"]), clock, watch)
    watch.sent(P1, SENT_US)
    watch.sent(P2, SENT_US)
    for other in (delivered("H53", P1, run="a run"), delivered("H53", P1, run=f"{RUN}-b")):
        canary.see("delivered", records("delivered", [other]), SENT_US + 1_000)
    canary.see("delivered", [record("delivered", RUN.encode(), 1), record("delivered", None, 2)], SENT_US + 1_000)
    assert watch.stats.latency[CanaryStage.INBOX].count == 0
    canary.see("delivered", records("delivered", [delivered("H53", P1, run=RUN)]), SENT_US + 1_000)
    canary.see("status", records("status", [receipt(P1, run=RUN)]), SENT_US + 9_000)
    canary.see("refused", records("refused", [refusal(P2, run=RUN, code=23)]), SENT_US + 9_000)
    assert watch.stats.latency[CanaryStage.INBOX].sum_us == 1_000
    assert watch.stats.latency[CanaryStage.RECEIPT].sum_us == 3_000  # by the recipient's stamp
    assert (watch.stats.received, watch.stats.refused, watch.outstanding) == (1, {23: 1}, 0)


def test_the_metrics_say_what_the_watch_knows() -> None:
    clock, watch = ManualClock(SENT_US), _watch()
    metrics = CanaryMetrics(watch, clock)
    names = ("documents_total", "received_total", "outstanding", "overdue", "outstanding_age_seconds")

    def shown() -> list[float | None]:
        return [value(metrics, f"docaxis_canary_{name}") for name in names]

    assert shown() == [0] * 5
    watch.sent(P1, SENT_US)
    clock.advance_us(6_000_000)
    assert shown() == [1, 0, 1, 1, 6]
    watch.reached(P1, CanaryStage.RECEIPT, SENT_US + 6_000_000)
    assert shown() == [1, 1, 0, 0, 0]
    latency = {"stage": "receipt", "le": "10.0"}
    assert value(metrics, "docaxis_canary_latency_seconds_bucket", **latency) == 1
    assert value(metrics, "docaxis_canary_refused_total", code="18") == 0


def test_a_canarys_run_is_known_by_its_name() -> None:
    assert is_canary(canary_run("main"))
    assert not any(map(is_canary, ("up-1", "", "canary", "not-canary-1")))
    assert sent(run=RUN).run == RUN


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--name", "a b"], "--name 'a b'"),
        (["--recipient", "X99"], "--recipient X99"),
        (["--sender", "X99"], "--sender X99"),
    ],
)
def test_a_wrong_option_is_told(arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["canary", "--bootstrap-servers", "127.0.0.1:1", *arguments]) == 2
    assert said in capsys.readouterr().err
