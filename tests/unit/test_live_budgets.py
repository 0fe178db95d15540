"""Service objectives on the live page: what counts as bad, what is left of a budget, when that is called bad."""

import msgspec
import pytest

from monitor.live.budgets import HOUR_US, Budgets, Events, events_of, judged, judged_zero
from monitor.service_objectives import Indicator, Objective, ServiceObjectives
from tests.support.events import receipt, refusal, sent
from tests.support.live import RUN, Axis

S = 1_000_000
SHIPPED = ServiceObjectives.load()
BY_INDICATOR = {one.indicator: one for one in SHIPPED.objective}
DELIVERY = BY_INDICATOR[Indicator.DELIVERY]


def one_delivery(axis: Axis, number: int, took_s: float | None, priority: int = 0, *, failed: bool = False) -> None:
    """Send a document and let it be received after so many seconds; None: it waits."""
    packet_id, now_us = f"G22.2026.{number:07d}.0", axis.clock.wall_us()
    axis.fold("sent", sent(packet_id, ["H53"], sender="G22", run=RUN, sent_us=now_us, intended_us=now_us))
    if took_s is not None:
        received_us = now_us + int(took_s * S)
        answer = receipt(
            packet_id, "H53", place=(0, number), sent_us=now_us, intended_us=now_us, received_us=received_us,
            sender="G22", run=RUN, priority=priority, failed=failed,
        )  # fmt: skip
        axis.fold("status", msgspec.structs.replace(answer, available_us=received_us))


def test_each_indicator_counts_what_its_alert_counts() -> None:
    axis = Axis()
    one_delivery(axis, 1, 1)
    one_delivery(axis, 2, 1000)  # later than 15 minutes, and than the hub's 2.5 s
    one_delivery(axis, 3, 400, priority=2)  # urgent, and later than 5 minutes
    one_delivery(axis, 4, 1, priority=1, failed=True)
    one_delivery(axis, 5, None)
    axis.fold("sent", sent("G22.2026.0000006.0", ["H53"], sender="G22", run=RUN, sent_us=axis.clock.wall_us()))
    axis.fold("refused", refusal("G22.2026.0000006.0", code=20, sender="G22", run=RUN))
    axis.fold("refused", refusal("G22.2026.0000007.0", code=18, sender="G22", run=RUN))  # the sender's own fault
    now_us = axis.clock.wall_us() + 30 * S
    found = {name: events_of(one, axis.readings, RUN, now_us) for name, one in BY_INDICATOR.items()}
    assert found == {
        Indicator.AVAILABILITY: (2, 5),
        Indicator.DELIVERY: (1, 4),  # what waits is not late yet
        Indicator.URGENT: (1, 2),
        Indicator.ROUTING: (2, 4),
        Indicator.FRESHNESS: (0, 0),
    }
    late = events_of(DELIVERY, axis.readings, RUN, now_us + 2000 * S)
    assert late == (2, 5)  # and now it is, before it has arrived


@pytest.mark.parametrize(
    ("period", "hour", "left", "state"),
    [
        (Events(0, 0), Events(0, 0), 1.0, "good"),  # nothing happened: nothing was missed
        (Events(0, 10_000), Events(0, 500), 1.0, "good"),
        (Events(50, 10_000), Events(0, 500), 0.5, "good"),
        (Events(50, 10_000), Events(20, 500), 0.5, "attention"),  # burns four times too fast
        (Events(80, 10_000), Events(0, 500), 0.2, "attention"),  # little is left
        (Events(100, 10_000), Events(0, 500), 0.0, "bad"),
        (Events(300, 10_000), Events(0, 500), -2.0, "bad"),
        (Events(1, 10), Events(1, 10), -9.0, "attention"),  # one late document of ten is no outage
    ],
)
def test_a_budget_is_judged_by_what_is_left_and_how_fast_it_goes(
    period: Events, hour: Events, left: float, state: str
) -> None:
    told = judged(DELIVERY, period, hour, 30)
    assert told["budget_left"] == pytest.approx(left)
    assert told["state"] == state
    assert told["achieved"] == (None if not period.total else pytest.approx(1 - period.bad / period.total))


def _achieved(budgets: Budgets, axis: Axis, name: str) -> dict[str, object]:
    (one,) = (one for one in budgets.of(axis.readings, RUN, axis.clock.wall_us()) if one["name"] == name)
    return one


def test_what_is_older_than_the_period_is_let_go_and_what_is_older_than_an_hour_burns_no_more() -> None:
    budgets, axis = Budgets(SHIPPED), Axis()
    for number in range(20):
        one_delivery(axis, number, 1000 if number < 15 else 1)
    assert _achieved(budgets, axis, "delivery_latency")["bad"] == 15
    for _ in range(3):
        axis.clock.advance_us(HOUR_US)
        now = _achieved(budgets, axis, "delivery_latency")
    assert (now["bad"], now["burn_rate"], now["state"]) == (15, 0, "bad")
    for _ in range(30 * 24):
        axis.clock.advance_us(HOUR_US)
        now = _achieved(budgets, axis, "delivery_latency")
    assert (now["bad"], now["total"], now["state"]) == (0, 0, "good")


def test_after_a_gap_in_which_nobody_looked_an_hour_is_an_hour_again() -> None:
    budgets, axis = Budgets(SHIPPED), Axis()
    for number in range(20):
        one_delivery(axis, number, 1)
    _achieved(budgets, axis, "delivery_latency")
    for number in range(20, 40):
        one_delivery(axis, number, 1000)
    axis.clock.advance_us(10 * HOUR_US)
    assert _achieved(budgets, axis, "delivery_latency")["burn_rate"] == 0, "when they were late nobody knows"


def test_freshness_is_time_in_which_the_workers_kept_up_and_unknown_time_is_not_counted() -> None:
    budgets, axis = Budgets(SHIPPED), Axis()
    for lag_s in (None, *[0.4] * 900, *[31.0] * 100):
        budgets.tell_lag(lag_s, 1.0, axis.clock.wall_us())
        axis.clock.advance_us(S)
    told = _achieved(budgets, axis, "monitor_freshness")
    assert (told["bad"], told["total"], told["unit"], told["state"]) == (100, 1000, "seconds", "bad")


def test_loss_has_no_budget_one_is_too_many_and_what_arrives_is_taken_back() -> None:
    budgets, axis = Budgets(SHIPPED), Axis()
    (promise,) = SHIPPED.zero
    assert (promise.indicator, promise.target, promise.alert) == ("loss", 1, "DocaxisDeliveriesLost")
    assert (told := _achieved(budgets, axis, "no_loss"))["state"] == "good"
    assert told["achieved"] is None
    sent_us = axis.clock.wall_us()
    one_delivery(axis, 1, 1)
    one_delivery(axis, 2, None)
    axis.clock.advance_us(round(promise.threshold_s - 10) * S)
    assert (_achieved(budgets, axis, "no_loss")["bad"], _achieved(budgets, axis, "no_loss")["state"]) == (0, "good")
    axis.clock.advance_us(20 * S)
    told = _achieved(budgets, axis, "no_loss")
    assert (told["bad"], told["total"], told["achieved"], told["state"]) == (1, 2, 0.5, "bad")
    assert (told["budget_left"], "burn_rate" in told) == (None, False)
    late = receipt(
        "G22.2026.0000002.0", "H53", place=(0, 2), sent_us=sent_us, received_us=axis.clock.wall_us(), sender="G22",
        run=RUN,
    )  # fmt: skip
    axis.fold("status", late)
    axis.clock.advance_us(20 * S)
    assert _achieved(budgets, axis, "no_loss")["state"] == "good"
    assert SHIPPED.without_latencies().zero == ()  # stamps of other days would make everything lost


def test_one_lost_of_millions_is_not_shown_as_all(monkeypatch: pytest.MonkeyPatch) -> None:
    axis = Axis()
    one_delivery(axis, 1, None)
    monkeypatch.setattr(axis.readings, "counts", lambda run, topic: {"deliveries_expected": 10_000_000})
    told = judged_zero(SHIPPED.zero[0], axis.readings, RUN, axis.clock.wall_us() + 4000 * S, 30)
    assert (told["bad"], told["achieved"]) == (1, 0.99999)


def test_runs_have_budgets_of_their_own_up_to_a_bound() -> None:
    budgets, axis = Budgets(SHIPPED), Axis()
    one_delivery(axis, 1, 1)
    for number in range(50):
        budgets.of(axis.readings, f"run-{number}", axis.clock.wall_us())
    assert len(budgets._pasts) == len(budgets._shown) <= 16
    assert _achieved(budgets, axis, "delivery_latency")["total"] == 1


def test_an_objective_of_ones_own_is_shown_as_it_is_written() -> None:
    mine = Objective(
        name="mine", title_en="Mine", title_vi="Của tôi", description="x", indicator=Indicator.DELIVERY,
        threshold_s=10, target=0.5,
    )  # fmt: skip
    told = judged(mine, Events(1, 4), Events(0, 0), 7)
    assert (told["title_vi"], told["target"], told["achieved"], told["budget_left"]) == ("Của tôi", 0.5, 0.75, 0.5)
    assert told["period_days"] == 7
