"""What grows in an inbox is told from what grows at the hub, and reasons are sentences in both languages."""

import numpy as np
import pytest

from monitor.histogram import Histogram
from monitor.onboarding import Reason
from monitor.onboarding_figures import NewcomerRun, growth, latencies_missed, newcomer_of, run_of
from monitor.onboarding_words import few_reasons, reason_said, reason_text
from monitor.words import Language


def _histogram(latencies_s: "np.ndarray[tuple[int], np.dtype[np.float64]]") -> Histogram:
    histogram = Histogram()
    histogram.observe((latencies_s * 1e6).astype(np.int64))
    return histogram


@pytest.mark.parametrize("share", [1.0, 0.95, 0.8, 0.5])
def test_growth_is_that_of_a_queue_served_at_a_share_of_what_comes(share: float) -> None:
    """A document due at t waits t (1/share - 1): the medians of both halves tell it."""
    due_s = np.linspace(0, 20, 4000)
    waits_s = 0.05 + due_s * (1 / share - 1)
    first, whole = _histogram(waits_s[:2000]), _histogram(waits_s)
    found = growth(first, whole, 20.0)
    assert found == pytest.approx(1 / share - 1, rel=0.1, abs=0.002)
    newcomer = newcomer_of("H95", [NewcomerRun(whole, found, 0.0, float(waits_s.max()), 20.0)])
    assert newcomer.offered_per_s == pytest.approx(200)
    assert newcomer.received_per_s == pytest.approx(200 * share, rel=0.05)
    assert newcomer.keeps_up == (share == 1.0)


def test_nothing_received_grows_by_nothing() -> None:
    assert growth(Histogram(), Histogram(), 20.0) == 0
    assert growth(Histogram(), _histogram(np.ones(3)), 20.0) == 0


def test_a_newcomer_is_not_blamed_for_the_hub_nor_by_one_run() -> None:
    one = _histogram(np.full(2000, 0.1))
    with_hub = NewcomerRun(one, growth=0.5, growth_of_all=0.5, pickup_max_s=9.0, measured_s=20.0)
    assert newcomer_of("H95", [with_hub] * 3).keeps_up
    # Beside everybody's it seems to grow more, but nothing waited in any inbox: it was the hub all the same.
    no_pickup = NewcomerRun(one, growth=0.7, growth_of_all=0.5, pickup_max_s=0.0004, measured_s=20.0)
    assert newcomer_of("H95", [no_pickup] * 3).keeps_up
    own = NewcomerRun(one, growth=0.3, growth_of_all=0.0, pickup_max_s=9.0, measured_s=20.0, missed=("fast",))
    calm = NewcomerRun(one, growth=0.0, growth_of_all=0.0, pickup_max_s=0.001, measured_s=20.0)
    assert not newcomer_of("H95", [own, own, calm]).keeps_up
    assert newcomer_of("H95", [own, own, calm]).missed == ("fast",)
    assert newcomer_of("H95", [own, calm, calm]).keeps_up
    assert newcomer_of("H95", [own, calm, calm]).missed == ()


def test_objectives_of_everybody_hold_for_a_newcomer_too() -> None:
    objectives = [
        {"name": "fast", "percentile": 99, "at_most_s": 0.5},
        {"name": "median", "percentile": 50, "at_most_s": 0.5},
    ]
    waits_s = np.concatenate((np.full(90, 0.1), np.full(10, 0.9)))
    assert latencies_missed(objectives, _histogram(waits_s)) == ("fast",)
    assert latencies_missed(objectives, Histogram()) == ()


def test_a_run_is_judged_by_what_it_missed_and_by_faults_whatever_their_number() -> None:
    result = {
        "valid": True,
        "objectives": [{"name": "a", "met": False}, {"name": "b", "met": None}, {"name": "c", "met": True}],
        "faults": ["1,234 lost", "5 lost", "the ledger does not add up"],
        "latency_by_agency": {"H53": {"count": 5, "p99": 0.5}, "H54": {"count": 0, "p99": 0.0}},
    }
    run = run_of(result)
    assert (run.missed, run.faults, dict(run.p99_s)) == (("a",), ("lost", "the ledger does not add up"), {"H53": 0.5})


KINDS = (
    "too few pairs", "invalid runs", "missed without newcomers", "fault without newcomers", "fault", "missed",
    "inbox grows", "missed by newcomer", "limit", "no headroom", "little headroom", "headroom unproven", "slower",
    "more slower", "slowdowns unseen",
    "slower together",
)  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
def test_every_reason_is_a_sentence_in_both_languages(kind: str) -> None:
    text = reason_text(Reason(kind, "slowest agency G22, limited to 200 deliveries/s", 1.25))
    assert reason_said(text, Language.EN) == text
    vietnamese = reason_said(text, Language.VI)
    subjectless = reason_said(reason_text(Reason(kind, "H95", 1.25)), Language.VI)
    assert subjectless != reason_text(Reason(kind, "H95", 1.25))
    assert "slowest agency" not in vietnamese
    assert "limited to" not in vietnamese


def test_what_could_not_be_seen_is_said_with_what_would_show_it() -> None:
    reason = Reason("slowdowns unseen", "95 of 95 agencies may wait seriously longer; --repeat 12 would show it", 0.8)
    assert reason_said(reason_text(reason), Language.VI) == (
        "không thể thấy mức chậm đi dưới 80% (p99 của một cơ quan điển hình): 95 trong 95 cơ quan có thể đã chờ lâu "
        "hơn đáng kể; cần --repeat 12 để thấy rõ"
    )


def test_few_reasons_keep_all_but_the_many_that_got_slower() -> None:
    slower = [Reason("slower", f"H{number}", 0.5) for number in range(10, 20)]
    assert few_reasons([Reason("missed", "fast"), *slower])[1:] == [*slower[:3], Reason("more slower", value=7)]
    assert few_reasons(slower[:3]) == slower[:3]
