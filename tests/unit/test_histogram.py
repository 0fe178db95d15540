"""The histogram at its edges: exact small values, the end of the range, clocks that disagree, too many rows."""

import numpy as np
import pytest

from monitor.histogram import BUCKETS, ROWS_MAX, SUBBUCKETS, Histogram, HistogramRows, bucket_of, lower_bounds_us

RANGE_END_US = 1 << 50


def column(*values: int) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    return np.array(values, np.int64)


def test_values_below_the_first_octave_are_exact() -> None:
    assert bucket_of(np.arange(SUBBUCKETS, dtype=np.int64)).tolist() == list(range(SUBBUCKETS))


def test_every_bucket_begins_at_its_lower_bound_and_ends_before_the_next() -> None:
    bounds = lower_bounds_us()
    assert bucket_of(bounds[:-1]).tolist() == list(range(BUCKETS))
    assert bucket_of(bounds[1:] - 1).tolist() == list(range(BUCKETS))
    assert bounds[-1] == RANGE_END_US


def test_values_beyond_the_range_land_in_the_last_bucket_and_the_maximum_stays_exact() -> None:
    histogram = Histogram()
    histogram.observe(column(RANGE_END_US, (1 << 53) - 1))
    assert histogram.counts[-1] == histogram.count == 2
    assert histogram.max_us == (1 << 53) - 1


def test_without_samples_all_is_zero() -> None:
    histogram = Histogram()
    histogram.observe(column())
    assert (histogram.count, histogram.quantile_us(0.5), histogram.count_at_most(10**9)) == (0, 0, 0)


def test_negative_samples_are_counted_apart_and_change_nothing_else() -> None:
    histogram = Histogram()
    histogram.observe(column(-1, 5, -(10**9)))
    assert (histogram.negative, histogram.count, histogram.sum_us, histogram.max_us) == (2, 1, 5, 5)


def test_only_negative_samples_leave_the_buckets_empty() -> None:
    rows = HistogramRows()
    rows.observe(column(0, 2), column(-1, -2))
    assert [rows.row(i).negative for i in range(3)] == [1, 0, 1]
    assert rows.counts.sum() == 0


def test_count_at_most_takes_whole_buckets_that_begin_at_or_below_the_bound() -> None:
    histogram = Histogram()
    histogram.observe(column(10, 63, 64, 65, 66, 1000))
    assert histogram.count_at_most(9) == 0
    assert histogram.count_at_most(63) == 2
    assert histogram.count_at_most(64) == 4  # 64 and 65 share a bucket
    assert histogram.count_at_most(RANGE_END_US * 4) == 6


def test_rows_beyond_the_bound_are_counted_in_the_last() -> None:
    rows = HistogramRows()
    rows.observe(column(0, ROWS_MAX - 1, ROWS_MAX, ROWS_MAX + 500), column(1, 2, 3, 4))
    assert len(rows.counts) == ROWS_MAX
    assert (rows.row(ROWS_MAX - 1).count, rows.row(ROWS_MAX - 1).sum_us) == (3, 9)


def test_a_row_never_observed_is_empty() -> None:
    rows = HistogramRows()
    rows.observe(column(3), column(7))
    assert rows.row(1).count == rows.row(99).count == 0
    assert rows.row(3).max_us == 7


def test_a_row_put_back_replaces_what_was_there() -> None:
    rows = HistogramRows()
    rows.observe(column(1, 1), column(5, -5))
    replacement = Histogram()
    replacement.observe(column(100))
    rows.put(1, replacement)
    assert rows.row(1).to_sparse() == replacement.to_sparse()


@pytest.mark.parametrize("index", [ROWS_MAX - 1, ROWS_MAX, ROWS_MAX + 7])
def test_a_row_beyond_the_bound_reads_back_what_was_put_there(index: int) -> None:
    rows = HistogramRows()
    replacement = Histogram()
    replacement.observe(column(100))
    rows.put(index, replacement)
    assert rows.row(index).to_sparse() == replacement.to_sparse()


def test_sums_of_nonsense_latencies_never_wrap_around() -> None:
    """Stamps up to 2**53 are valid events: a few thousand of them must not turn a sum negative, nor unencodable."""
    worst = np.full(4096, (1 << 53) - 1, np.int64)
    histogram, rows = Histogram(), HistogramRows()
    for _ in range(3):
        histogram.observe(worst)
        rows.observe(np.zeros(len(worst), np.int64), worst)
    for total in (histogram.sum_us, rows.row(0).sum_us):
        assert 1 << 60 < total < 1 << 63, "saturated: neither wrapped nor beyond 64 bits"
