"""The history hits its published milestones for any seed, scale and registry, and looks like office life in between."""

import hashlib
from collections.abc import Iterator
from datetime import date
from functools import lru_cache

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from docaxis.domain.agency import Agency, Registry
from docaxis.domain.calendar import DAY_MS, HOUR_MS, VIETNAM_OFFSET_MS, date_of, midnight_ms, vietnam_calendar
from docaxis.domain.errors import UsageError
from producers.history import DEFAULT_UNTIL, History
from producers.traffic import DraftBatch

HISTORY = History.load()
REGISTRY = Registry.load()
seeds = st.integers(0, 2**63)


@lru_cache(maxsize=8)
def registry_of(size: int) -> Registry:
    return Registry(
        [
            Agency(i, f"T{i:05d}", f"000.00.00.T{i:05d}", f"Cơ quan {i}", f"Agency {i}", "unit", "", "verified")
            for i in range(size)
        ]
    )


def whole(batches: Iterator[DraftBatch]) -> DraftBatch:
    return DraftBatch.joined(list(batches))


def digest(batch: DraftBatch) -> str:
    columns = [getattr(batch, name) for name in DraftBatch.__slots__]
    return hashlib.sha256(b"".join(np.ascontiguousarray(column).tobytes() for column in columns)).hexdigest()


@given(seeds)
@example(1)
@settings(max_examples=25, deadline=None)
def test_published_totals_come_out_exactly_for_any_seed(seed: int) -> None:
    rows = {row.date: row for row in HISTORY.plan(seed)}
    assert (rows[date(2019, 9, 30)].sent, rows[date(2019, 9, 30)].received) == (163_107, 488_165)
    totals = {
        date(2020, 2, 25): 1_300_000,
        date(2020, 4, 27): 1_700_000,
        date(2021, 2, 23): 4_400_000,
        date(2021, 12, 31): 9_540_000,
        date(2022, 7, 31): 13_100_000,
    }
    for day, total in totals.items():
        assert rows[day].total == total
    july = rows[date(2022, 7, 31)]
    assert (july.period_sent, july.period_received) == (135_164, 485_666)
    for row in rows.values():  # what is drawn stays between the two measured values
        assert 2.99 <= row.period_received / row.period_sent <= 3.594


def test_published_and_derived_are_told_apart() -> None:
    rows = HISTORY.plan(1)
    published = {row.date: (row.sent_published, row.received_published, row.total_published) for row in rows}
    assert published[date(2019, 9, 30)] == (163_107, 488_165, 651_272)
    assert published[date(2021, 2, 23)] == (None, None, 4_400_000)
    assert published[date(2021, 12, 31)] == (None, None, None)
    assert (rows[-1].period_sent_published, rows[-1].period_received_published) == (135_164, 485_666)
    assert all(row.mark in ("V", "D") and row.basis and row.source for row in rows)


@given(seeds, st.sampled_from([5, 12, 95, 400]), st.sampled_from([0.001, 0.003]), st.integers(0, 1237))
@settings(max_examples=12, deadline=None)
def test_generated_documents_add_up_to_the_plan(seed: int, agencies: int, scale: float, days: int) -> None:
    until = date.fromordinal(HISTORY.launch.toordinal() + days)
    plan = HISTORY.plan(seed, until, agencies=agencies, scale=scale)
    batches = list(HISTORY.generate(seed, registry_of(agencies), until, 500, scale=scale))
    assert all(len(batch) == 500 for batch in batches[:-1])
    assert plan[-1].date == until
    if not plan[-1].sent:
        assert not batches
        return
    documents = DraftBatch.joined(batches)
    for row in plan:
        count = int(np.searchsorted(documents.calendar_ms, midnight_ms(row.date) + DAY_MS))
        assert count == row.sent
        assert documents.rows(0, count).deliveries == row.received
    assert_lawful(documents, agencies)


def assert_lawful(documents: DraftBatch, agencies: int) -> None:
    """Calendar order; distinct recipients, never the sender; ordinals without gaps per sender and year."""
    assert (np.diff(documents.calendar_ms) >= 0).all()
    owners = np.repeat(np.arange(len(documents)), documents.fan_out)
    assert documents.fan_out.min() >= 1
    assert (documents.recipient != documents.sender[owners]).all()
    pairs = owners * agencies + documents.recipient
    assert len(np.unique(pairs)) == len(pairs)
    for year in np.unique(documents.year):
        for sender in np.unique(documents.sender):
            ordinals = documents.ordinal[(documents.year == year) & (documents.sender == sender)]
            assert (ordinals == np.arange(1, len(ordinals) + 1)).all()


@given(seeds)
@settings(max_examples=3, deadline=None)
def test_same_seed_same_bytes_whatever_the_batches(seed: int) -> None:
    until = date(2019, 12, 31)
    one = digest(whole(HISTORY.generate(seed, REGISTRY, until, scale=0.01)))
    two = digest(whole(HISTORY.generate(seed, REGISTRY, until, documents_per_batch=77, scale=0.01)))
    other = digest(whole(HISTORY.generate(seed + 1, REGISTRY, until, scale=0.01)))
    assert one == two
    assert one != other


def test_an_earlier_end_is_the_first_part_of_a_later_one() -> None:
    long = whole(HISTORY.generate(3, REGISTRY, date(2020, 3, 20), scale=0.01))
    short = whole(HISTORY.generate(3, REGISTRY, date(2019, 11, 5), scale=0.01))
    assert digest(short) == digest(long.rows(0, len(short)))


@pytest.fixture(scope="module")
def sample() -> DraftBatch:
    """A tenth of the history to the demo's end: about 100,000 documents."""
    return whole(HISTORY.generate(20210223, REGISTRY, scale=0.1))


def test_the_whole_history_at_full_scale_counted() -> None:
    documents = deliveries = 0
    for batch in HISTORY.generate(7, REGISTRY, DEFAULT_UNTIL):
        documents += len(batch)
        deliveries += batch.deliveries
    assert documents + deliveries == 4_400_000
    assert (documents, deliveries) == (
        HISTORY.plan(7, DEFAULT_UNTIL)[-1].sent,
        HISTORY.plan(7, DEFAULT_UNTIL)[-1].received,
    )


def test_offices_work_in_office_hours(sample: DraftBatch) -> None:
    calendar = vietnam_calendar()
    days = (sample.calendar_ms + VIETNAM_OFFSET_MS) // DAY_MS
    working = {int(day): calendar.is_working_day(date_of(int(day) * DAY_MS)) for day in np.unique(days)}
    on_working_days = np.array([working[int(day)] for day in days])
    assert 0.96 < on_working_days.mean() < 0.995
    hours = (sample.calendar_ms + VIETNAM_OFFSET_MS) // HOUR_MS % 24
    by_hour = np.bincount(hours, minlength=24) / len(sample)
    assert by_hour[8:17].sum() > 0.85
    assert by_hour[[8, 9]].sum() > by_hour[[10, 11]].sum()
    assert by_hour[[15, 16]].sum() > by_hour[[13, 14]].sum()
    assert by_hour[12] < 0.03
    assert by_hour[[22, 23, 0, 1, 2, 3, 4, 5]].sum() < 0.01


def test_no_crowd_on_a_sunday_night_nor_at_tet(sample: DraftBatch) -> None:
    local = sample.calendar_ms + VIETNAM_OFFSET_MS
    sunday_night = ((local // DAY_MS + 3) % 7 == 6) & (local // HOUR_MS % 24 >= 20)
    assert sunday_night.mean() < 0.001
    tet = (local // DAY_MS * DAY_MS - VIETNAM_OFFSET_MS >= midnight_ms(date(2021, 2, 10))) & (
        local // DAY_MS * DAY_MS - VIETNAM_OFFSET_MS <= midnight_ms(date(2021, 2, 16))
    )
    assert tet.sum() / 7 < 0.05 * len(sample) / 491  # under a twentieth of an average working day


def test_volume_grows_and_peaks_at_year_end(sample: DraftBatch) -> None:
    months = (sample.calendar_ms + VIETNAM_OFFSET_MS).astype("datetime64[ms]").astype("datetime64[M]")
    volume = dict(zip(*[array.tolist() for array in np.unique(months, return_counts=True)], strict=True))
    assert volume[date(2020, 12, 1)] > volume[date(2020, 11, 1)]
    assert volume[date(2020, 12, 1)] > volume[date(2021, 1, 1)]
    assert volume[date(2020, 10, 1)] > 1.5 * volume[date(2019, 10, 1)]


def test_the_government_office_and_the_fan_out(sample: DraftBatch) -> None:
    share = np.mean(sample.recipient == REGISTRY.index_of("G22"))
    assert abs(share - 0.075) < 0.005
    assert 2.99 < sample.deliveries / len(sample) < 3.59
    assert 0.45 < np.mean(sample.fan_out == 1) < 0.75
    assert (sample.fan_out == 94).any()


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        ({"until": date(2022, 8, 1)}, "nothing was published for 2022-08-01"),
        ({"until": date(2019, 3, 11)}, "nothing was published for 2019-03-11"),
        ({"scale": 0.0001}, "scale 0.0001"),
        ({"scale": 21.0}, "scale 21.0"),
        ({"seed": -1}, "seed -1"),
        ({"registry": registry_of(4)}, "4 agencies cannot reproduce the history"),
        ({"documents_per_batch": 0}, "0 documents per batch"),
    ],
    ids=["after the last", "before the launch", "too small", "too large", "negative seed", "too few", "no batch"],
)
def test_what_cannot_be_is_refused_at_once(arguments: dict[str, object], part: str) -> None:
    given_arguments = {"seed": 1, "registry": REGISTRY, **arguments}
    with pytest.raises(UsageError, match=part):
        HISTORY.generate(**given_arguments)  # type: ignore[arg-type]
