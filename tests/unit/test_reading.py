"""Readings and tallies: totals survive being written, add up over partitions, and the newest one counts."""

from datetime import date

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from docaxis.domain.calendar import DAY_MS, date_of, midnight_ms
from monitor.histogram import ROWS_MAX
from monitor.reading import DAY_MAX, Reading, Readings, Tally, decode_reading, encode_reading
from streams.keys import Codes
from tests.support.laws import law

EPOCH = date(1970, 1, 1)
CODES = ["G22", "H53", "H01", "T01"]


def column(*values: int) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    return np.array(values, np.int64)


def reading(
    counts: dict[str, int] | None = None,
    *,
    partition: int = 0,
    offset: int = 1,
    at_us: int = 0,
    run: str = "run",
    source: str = "",
) -> Reading:
    return Reading(1, run, "sent", partition, offset, at_us, source, counts or {})


def to_reading(tally: Tally, codes: list[str] | None = None, partition: int = 0) -> Reading:
    return tally.to_reading(codes or CODES, version=1, run="run", topic="sent", partition=partition, offset=1, at_us=2)


batches = st.lists(
    st.tuples(
        st.integers(0, len(CODES) - 1), st.integers(0, 9), st.integers(0, 1 << 41), st.integers(-5, 1 << 40)
    ),
    min_size=1,
    max_size=12,
)  # fmt: skip


def fill(tally: Tally, batch: list[tuple[int, int, int, int]]) -> None:
    """Tally some events: (agency, priority, calendar instant, latency)."""
    agencies, priorities, calendar_ms, latencies_us = (np.array(one, np.int64) for one in zip(*batch, strict=True))
    tally.counts["events"] += len(batch)
    tally.count_agencies("events", agencies)
    tally.count_days("events", calendar_ms)
    tally.observe("delivery", latencies_us)
    tally.observe_rows("recipient", agencies, latencies_us)
    tally.observe_rows("priority", priorities, latencies_us)
    tally.note_span("calendar_ms", calendar_ms)


@law(30)
@given(st.lists(batches, max_size=3))
def test_a_tally_survives_being_written_as_a_reading_and_goes_on_from_it(
    histories: list[list[tuple[int, ...]]],
) -> None:
    whole, resumed = Tally(), Tally()
    for batch in histories:
        fill(whole, batch)  # type: ignore[arg-type]
        fill(resumed, batch)  # type: ignore[arg-type]
        _, value = encode_reading(to_reading(resumed))
        other_numbers = Codes(["X", *reversed(CODES)])  # a successor may number the agencies in another order
        resumed = Tally.from_reading(decode_reading(value), other_numbers.index)
        back = Tally.from_reading(to_reading(resumed, other_numbers.codes), Codes(CODES).index)
        assert to_reading(back) == to_reading(whole)
        resumed = back


@law(30)
@given(batches, batches)
def test_partitions_add_up_to_what_one_partition_would_have_counted(
    first: list[tuple[int, int, int, int]], second: list[tuple[int, int, int, int]]
) -> None:
    together = Tally()
    readings = Readings()
    for partition, batch in enumerate((first, second)):
        alone = Tally()
        fill(alone, batch)
        fill(together, batch)
        readings.put(to_reading(alone, partition=partition))
    whole = to_reading(together)
    assert readings.counts("run", "sent") == whole.counts
    assert readings.days("run", "sent", "events") == whole.days["events"]
    assert readings.agencies("run", "sent", "events") == whole.agencies["events"]
    assert readings.stage("run", "sent", "delivery").to_sparse() == whole.stages["delivery"]
    assert readings.span("run", "sent", "calendar_ms") == whole.spans["calendar_ms"]
    for breakdown in ("recipient", "priority"):
        rows = readings.latencies("run", "sent", breakdown)
        assert {row: one.to_sparse() for row, one in rows.items()} == whole.latencies[breakdown]


@law(30)
@given(st.permutations(range(6)))
def test_the_newest_reading_counts_in_whatever_order_they_come(order: list[int]) -> None:
    readings = Readings()
    for number in order:
        readings.put(reading({"events": number}, offset=number // 2, at_us=number))
    assert readings.counts("run", "sent") == {"events": 5}


def test_runs_topics_partitions_and_sources_are_kept_apart() -> None:
    readings = Readings()
    for one in (
        reading({"n": 1}),
        reading({"n": 10}, partition=1),
        reading({"n": 100}, source="fleet-1"),
        reading({"n": 1000}, run="another"),
    ):
        readings.put(one)
    assert readings.counts("run", "sent") == {"n": 111}
    assert readings.counts("another", "sent") == {"n": 1000}
    assert readings.counts("run", "status") == {}
    assert readings.runs() == ["run", "another"]
    assert readings.span("run", "sent", "wall_us") is None
    keys = {encode_reading(one)[0] for one in [reading(), reading(partition=1), reading(source="f"), reading(run="b")]}
    assert len(keys) == 4


@pytest.mark.parametrize(
    ("instant_ms", "day"),
    [
        (midnight_ms(date(2019, 3, 12)), date(2019, 3, 12)),
        (midnight_ms(date(2019, 3, 12)) - 1, date(2019, 3, 11)),
        (midnight_ms(date(2019, 3, 13)) - 1, date(2019, 3, 12)),
        (0, EPOCH),
        (17 * 3_600_000 - 1, EPOCH),
        (17 * 3_600_000, date(1970, 1, 2)),
    ],
)
def test_days_begin_at_midnight_in_vietnam(instant_ms: int, day: date) -> None:
    tally = Tally()
    tally.count_days("documents", column(instant_ms))
    assert tally.days["documents"] == {(day - EPOCH).days: 1}
    assert date_of(instant_ms) == day


def test_days_are_weighted_and_add_up_over_batches() -> None:
    tally = Tally()
    tally.count_days("deliveries", column(0, DAY_MS, DAY_MS), column(3, 4, 5))
    tally.count_days("deliveries", column(0))
    assert tally.days["deliveries"] == {0: 4, 1: 9}


def test_nonsense_dates_beside_good_ones_count_without_an_array_of_all_days_between() -> None:
    tally = Tally()
    far = (1 << 53) - 1
    tally.count_days("documents", column(0, far, far), column(1, 2, 3))
    tally.count_days("documents", column(0, far))
    assert tally.days["documents"] == {0: 2, DAY_MAX: 6}


def test_agencies_beyond_those_known_grow_the_row() -> None:
    tally = Tally()
    tally.count_agencies("documents", column(0))
    tally.count_agencies("documents", column(3, 3, 1))
    tally.count_agencies("documents", column(0))
    assert tally.agencies["documents"].tolist() == [2, 1, 0, 2]
    assert to_reading(tally).agencies["documents"] == {"G22": 2, "H53": 1, "T01": 2}


def test_agencies_without_a_code_are_left_out_of_the_breakdowns_and_stay_in_the_totals() -> None:
    tally = Tally()
    fill(tally, [(0, 0, 0, 5), (3, 0, 0, 7)])
    written = to_reading(tally, ["G22", "H53"])
    assert written.agencies["events"] == {"G22": 1}
    assert set(written.latencies["recipient"]) == {"G22"}
    assert written.counts["events"] == 2


def test_latencies_of_agencies_beyond_the_rows_add_up_in_the_last_row() -> None:
    tally = Tally()
    tally.observe_rows("recipient", column(ROWS_MAX + 5), column(10))
    name = f"A{ROWS_MAX - 1:05d}"
    written = to_reading(tally, [f"A{number:05d}" for number in range(ROWS_MAX + 10)])
    assert set(written.latencies["recipient"]) == {name}
    resumed = Tally()
    for _ in range(2):
        resumed.add(written, lambda code: int(code[1:]) + 3)
    assert resumed.latencies["recipient"].row(ROWS_MAX - 1).count == 2


def test_a_reading_stands_still_when_its_tally_goes_on() -> None:
    tally = Tally()
    fill(tally, [(0, 0, 0, 5)])
    written = to_reading(tally)
    before = encode_reading(written)
    fill(tally, [(1, 1, DAY_MS * 5, 7), (0, 0, 0, 5)])
    assert encode_reading(written) == before
