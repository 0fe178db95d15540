"""The histogram against numpy, for any samples."""

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from monitor.histogram import Histogram, HistogramRows, bucket_of, lower_bounds_us, merged
from tests.support.laws import law

# Magnitudes are drawn first, so that all octaves are met.
latency = st.integers(0, 50).flatmap(lambda bits: st.integers(0, (1 << bits) - 1 if bits else 0))
latencies = st.lists(latency, min_size=1, max_size=80)
any_values = st.lists(latency | st.integers(-(1 << 40), -1), max_size=80)
LAW = law(70)


def histogram_of(values: list[int]) -> Histogram:
    histogram = Histogram()
    histogram.observe(np.array(values, np.int64))
    return histogram


@LAW
@given(latencies)
def test_a_value_lies_in_its_bucket_which_is_at_most_a_thirty_second_wide(values: list[int]) -> None:
    bounds = lower_bounds_us()
    for value, bucket in zip(values, bucket_of(np.array(values, np.int64)).tolist(), strict=True):
        low, end = int(bounds[bucket]), int(bounds[bucket + 1])
        assert low <= value < end
        assert end - low == 1 or (end - low) * 32 <= low


@LAW
@given(latencies, st.sampled_from([0.0, 0.01, 0.25, 0.5, 0.9, 0.99, 0.999, 1.0]))
@example([31, 32, 33, 63, 64, 65, 66], 0.5)
@example([1 << 49], 1.0)
def test_a_quantile_is_the_nearest_rank_within_1_6_percent_and_never_above_the_maximum(
    values: list[int], q: float
) -> None:
    told = histogram_of(values).quantile_us(q)
    true = int(np.quantile(np.array(values, np.int64), q, method="inverted_cdf"))
    assert abs(told - true) <= 0.016 * true
    assert told <= max(values)


@LAW
@given(any_values, any_values)
def test_merging_is_observing_both(first: list[int], second: list[int]) -> None:
    both = merged([histogram_of(first), histogram_of(second)])
    assert both.to_sparse() == histogram_of(first + second).to_sparse()


@LAW
@given(any_values)
def test_sparse_form_round_trips_and_keeps_the_exact_figures(values: list[int]) -> None:
    histogram = histogram_of(values)
    back = Histogram.from_sparse(histogram.to_sparse())
    assert (back.counts == histogram.counts).all()
    valid = [value for value in values if value >= 0]
    assert (back.negative, back.sum_us, back.max_us) == (len(values) - len(valid), sum(valid), max(valid, default=0))
    assert back.count == len(valid)


@LAW
@given(latencies, latency)
def test_count_at_most_is_wrong_by_one_bucket_at_most(values: list[int], bound: int) -> None:
    counted = histogram_of(values).count_at_most(bound)
    assert sum(value <= bound for value in values) <= counted
    assert counted <= sum(value <= bound + bound // 32 for value in values)


@LAW
@given(st.lists(st.lists(st.tuples(st.integers(0, 6), latency | st.integers(-9, -1)), max_size=20), max_size=4))
def test_rows_equal_separate_histograms(batches: list[list[tuple[int, int]]]) -> None:
    rows, apart = HistogramRows(), [Histogram() for _ in range(7)]
    for batch in batches:
        rows.observe(np.array([row for row, _ in batch], np.int64), np.array([value for _, value in batch], np.int64))
        for row, value in batch:
            apart[row].observe_one(value)
    assert [rows.row(i).to_sparse() for i in range(7)] == [histogram.to_sparse() for histogram in apart]


@pytest.mark.parametrize("samples", [1, 7, 100, 12_345])
def test_quantiles_of_many_samples_of_a_skewed_distribution(samples: int) -> None:
    values = np.random.default_rng(samples).lognormal(10, 3, samples).astype(np.int64)
    histogram = Histogram()
    histogram.observe(values)
    for q in (0.5, 0.9, 0.99, 0.999):
        true = int(np.quantile(values, q, method="inverted_cdf"))
        assert abs(histogram.quantile_us(q) - true) <= 0.016 * true
