"""What the live page computes: series, the state in one sentence, agencies, changes, and who watches."""

import csv
import io

import orjson
import pytest

from docaxis.kafka.topics import Topics
from monitor.histogram import Histogram
from monitor.live.agencies import COLUMNS, UNKNOWN_MAX, AgencyRows
from monitor.live.csv_text import open_deliveries_csv
from monitor.live.health import STALLED_AFTER_S, Facts, judge_health
from monitor.live.moment import Moment
from monitor.live.picture import changes
from monitor.live.refused import KEPT_MAX, RecentRefusals
from monitor.live.series import COLUMNS as POINT
from monitor.live.series import Range, Series
from monitor.live.viewers import FRAMES_MAX, Viewers, frame
from monitor.reading import LEDGER
from monitor.verdict import STAGES
from tests.support.events import refusal, sent
from tests.support.live import RUN, Axis, busy_axis


def point(value: float) -> dict[str, float]:
    return dict.fromkeys(POINT, value)


def test_a_ring_keeps_the_newest_points_in_order_and_never_more() -> None:
    series = Series((Range("fine", 1, 5), Range("coarse", 10, 3)))
    for second in range(100):
        series.push(second, point(second))
    assert [row[:2] for row in series.rows("fine")] == [[second, second] for second in range(95, 100)]
    assert [row[0] for row in series.rows("coarse")] == [60, 70, 80]


def test_a_coarse_point_is_the_mean_of_rates_and_the_worst_of_the_rest() -> None:
    series = Series((Range("fine", 1, 5), Range("coarse", 10, 3)))
    for second in range(11):
        series.push(second, point(second))
    (row,) = series.rows("coarse")
    assert dict(zip(POINT, row[1:], strict=True)) == {
        name: 4.5 if how == "mean" else 9.0 for name, how in POINT.items()
    }


def moment(at_s: int = 0, late: int = 0, **counts: int) -> Moment:
    """Return a moment with counts of the ledger and (`refusals`, `failed`) of other topics."""
    other = {"refused": {"refusals": counts.pop("refusals", 0)}, "status": {"failed": counts.pop("failed", 0)}}
    return Moment(at_s * 1_000_000, other | {LEDGER: counts}, dict.fromkeys(STAGES, Histogram()), late)


CALM = moment()


@pytest.mark.parametrize(
    ("facts", "level", "key"),
    [
        (Facts(CALM, CALM, 1, 0, 2, 2), "good", "arriving"),
        (Facts(CALM, CALM, 100, 0, 2, 2), "quiet", "quiet"),
        (Facts(CALM, CALM, 1, 0, 2, 0), "bad", "blind"),
        (Facts(CALM, CALM, 1, 0, 2, 1), "attention", "worker_silent"),
        (Facts(moment(outstanding=5), CALM, 0, STALLED_AFTER_S, 1, 1), "bad", "stalled"),
        (Facts(moment(outstanding=5), CALM, STALLED_AFTER_S, STALLED_AFTER_S - 1, 1, 1), "good", "arriving"),
        (Facts(moment(outstanding=5, late=2), CALM, 1, 0, 1, 1), "attention", "late"),
        (Facts(moment(duplicated=1), CALM, 1, 0, 1, 1), "bad", "faults"),
        (Facts(CALM, CALM, 1, 0, 1, 1, strayed=3), "bad", "faults"),
        (Facts(moment(misrouted=3), CALM, 1, 0, 1, 1), "good", "arriving"),  # perhaps only read before its document
        (Facts(moment(refusals=4), CALM, 1, 0, 1, 1), "attention", "refusing"),
        (Facts(moment(failed=4), CALM, 1, 0, 1, 1), "attention", "failing"),
        (Facts(moment(failed=4), moment(failed=4), 1, 0, 1, 1), "good", "arriving"),
    ],
)
def test_the_state_is_the_gravest_rule_that_holds(facts: Facts, level: str, key: str) -> None:
    judged = judge_health(facts)
    assert (judged["level"], judged["says"][0]["key"]) == (level, key)


def test_what_waits_at_the_hub_is_told_from_what_waits_in_inboxes() -> None:
    axis = busy_axis()
    now = Moment.of(axis.readings, RUN, axis.clock.wall_us(), 60_000_000)
    asked = sum(len(event.recipients) for event in axis.events if type(event).__name__ == "Sent") - 1  # one refused
    made = sum(type(event).__name__ == "Delivered" for event in axis.events)
    answered = sum(type(event).__name__ == "Receipt" for event in axis.events)
    assert now.at_hub == asked - made > 0
    assert now.in_inboxes == made - answered > 0
    assert now.waiting == asked - answered


def test_what_is_open_grows_late_although_no_reading_comes_any_more() -> None:
    axis = Axis()
    axis.fold("sent", sent(run=RUN, sent_us=axis.clock.wall_us()))
    axis.tick(3)
    assert axis.board._boards[RUN].picture["totals"]["open_late"] == 0
    axis.tick(70)
    picture = axis.board._boards[RUN].picture
    assert picture["totals"]["open_late"] == 1
    assert [one["key"] for one in picture["health"]["says"]] == ["stalled", "late"]
    assert picture["health"]["says"][0]["where"] == "hub"


def test_a_hub_that_stands_still_is_told_although_documents_keep_coming() -> None:
    axis = Axis()
    for number in range(STALLED_AFTER_S + 2):
        assert axis.board.tick_us == 0 or axis.board._boards[RUN].picture["health"]["level"] != "bad"
        axis.fold("sent", sent(f"G22.2021.{number:07d}.0", run=RUN, sent_us=axis.clock.wall_us()))
        axis.tick()
    axis.tick()
    (said, *_) = axis.board._boards[RUN].picture["health"]["says"]
    assert (said["key"], said["where"]) == ("stalled", "hub")


def test_a_first_document_after_a_long_quiet_is_no_stall() -> None:
    axis = Axis()
    axis.tick(500)
    axis.fold("sent", sent(run=RUN, sent_us=axis.clock.wall_us()))
    axis.tick(3)
    assert axis.board._boards[RUN].picture["health"]["level"] == "good"


def test_strangers_have_rows_of_their_own_up_to_a_bound_and_then_one_together() -> None:
    rows = AgencyRows({"G22": 0, "H53": 1})
    numbers = [rows.index_of(f"X{number}") for number in range(UNKNOWN_MAX + 30)]
    assert rows.index_of("H53") == 1
    assert numbers[:2] == [2, 3]
    assert set(numbers[UNKNOWN_MAX:]) == {2 + UNKNOWN_MAX}
    assert len(rows.strangers) == UNKNOWN_MAX


def test_the_rows_of_the_agencies_hold_what_was_folded() -> None:
    axis = busy_axis()
    rows = AgencyRows(axis.registry.positions)
    found = rows.rows(axis.readings, RUN, rows.slowest_us(axis.readings, RUN))
    total = {name: sum(row[column] for row in found.values()) for column, name in enumerate(COLUMNS)}
    assert total["sent"] == 40
    assert total["received"] == sum(type(event).__name__ == "Receipt" for event in axis.events)
    assert total["waiting"] == axis.readings.counts(RUN, LEDGER)["outstanding"]
    assert rows.strangers == ["X77"]
    square = rows.square(axis.readings, RUN)
    assert sum(square["received"][2]) == total["received"]
    assert sum(square["waiting"][2]) == total["waiting"]


def test_only_what_changed_is_told_and_of_agencies_only_the_rows() -> None:
    before = {"run": "r", "totals": {"sent": 1}, "agencies": {0: [1], 1: [2]}}
    now = {"run": "r", "totals": {"sent": 2}, "agencies": {0: [1], 1: [3], 2: [4]}}
    assert changes(now, before) == {"totals": {"sent": 2}, "agencies": {1: [3], 2: [4]}}
    assert changes(now, now) == {}


def test_runs_are_told_apart_and_the_quiet_are_let_go() -> None:
    axis = Axis()
    axis.fold("sent", sent(run="one"))
    axis.fold("sent", sent("G22.2021.0000002.0", run="two"), sent("G22.2021.0000003.0", run="two"))
    axis.tick(2)
    documents = {run: board.picture["totals"]["documents"] for run, board in axis.board._boards.items()}
    assert documents == {"one": 1, "two": 2}
    for number in range(3, 40):
        axis.fold("sent", sent(run=f"run-{number}"))
        axis.tick()
    assert len(axis.board._boards) <= 8


def test_a_canary_is_never_the_run_that_is_shown_unasked() -> None:
    axis = Axis()
    axis.fold("sent", sent(run="traffic", sent_us=axis.clock.wall_us()))
    axis.tick()
    axis.fold("sent", sent("canary-main.1.0.0", run="canary-main", sent_us=axis.clock.wall_us() + 1_000_000))
    axis.tick()
    assert [run for run, _ in axis.board.runs()] == ["traffic", "canary-main"]


async def test_a_viewer_of_the_newest_run_gets_the_whole_picture_when_that_changes() -> None:
    axis = Axis()
    axis.fold("sent", sent(run="older", sent_us=axis.clock.wall_us()))
    viewer = axis.board.viewers.admit("")
    assert viewer is not None
    axis.tick()
    assert b'"run":"older"' in await viewer.take()
    axis.publish()  # a worker publishes all runs together: that alone makes none the newest
    axis.tick()
    assert (await viewer.take()).startswith(b"event: tick")
    axis.fold("sent", sent("G22.2021.0000002.0", run="newer", sent_us=axis.clock.wall_us() + 1))
    axis.tick()
    told = await viewer.take()
    assert told.startswith(b"event: state")
    assert b'"run":"newer"' in told


def test_an_axis_without_events_says_so() -> None:
    axis = Axis()
    axis.tick(2)
    assert axis.board.state("", [], 0)["health"] == {"level": "none", "says": [{"key": "no_run"}]}


async def test_a_viewer_gets_the_whole_picture_first_and_again_when_it_falls_behind() -> None:
    axis = busy_axis()
    viewer = axis.board.viewers.admit("")
    assert viewer is not None
    axis.tick()
    assert (await viewer.take()).startswith(b"event: state\n")
    axis.tick()
    assert (await viewer.take()).startswith(b"event: tick\n")
    axis.tick(FRAMES_MAX + 2)  # it takes nothing meanwhile
    assert viewer.resynced == 1
    assert (await viewer.take()).startswith(b"event: state\n")


def test_no_more_viewers_than_the_bound() -> None:
    viewers = Viewers(2)
    first, second, third = (viewers.admit("r") for _ in range(3))
    assert first is not None
    assert second is not None
    assert third is None
    assert viewers.refused == 1
    viewers.leave(first)
    assert viewers.admit("r") is not None


def test_a_frame_is_one_event_whatever_is_in_it() -> None:
    data = frame("tick", {"reason": "two\nlines\r\n\ndata: no", 1: "number"})
    lines = data.decode().split("\n")
    assert [lines[0], *lines[2:]] == ["event: tick", "", ""]
    assert orjson.loads(lines[1].removeprefix("data: "))["reason"] == "two\nlines\r\n\ndata: no"


def test_refusals_are_kept_newest_first_and_bounded() -> None:
    refusals = RecentRefusals({}, Topics("axis"), 1)
    refusals.keep([refusal(run=RUN, offset=number) for number in range(KEPT_MAX + 10)])
    refusals.keep([refusal(run="another"), refusal(run="", code=10)])
    rows = refusals.of(RUN)
    assert rows[0][1] == 10  # an unreadable record belongs to no run, and is told in each
    assert rows[1][6] == f"sent/0/{KEPT_MAX + 9}"
    assert len(refusals.of(RUN, 10_000)) == KEPT_MAX - 1


def test_a_spreadsheet_reads_the_list_and_calculates_nothing() -> None:
    rows = [["=cmd|' /C calc'!A0", "doc,1", "+G22", "H53", 1_600_000_000_000_000, "hub"]]
    text = open_deliveries_csv(rows, 1_600_000_002_500_000)
    assert text.startswith("\ufeff")
    head, row = csv.reader(io.StringIO(text.removeprefix("\ufeff")))
    assert head[0] == "packet_id"
    assert row == ["'=cmd|' /C calc'!A0", "doc,1", "'+G22", "H53", "2020-09-13 19:26:40.000", "2.5", "hub"]
