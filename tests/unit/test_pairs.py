"""Counts by sender and recipient: they add up, travel packed, and never outgrow their square."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.pairs import PAIRED_MAX, Pairs, paired_names
from monitor.reading import Readings, Tally, decode_reading, encode_reading
from streams.keys import Codes
from tests.support.laws import law

pairs_met = st.lists(st.tuples(st.integers(0, 300), st.integers(0, 300)), max_size=40)


def observed(met: list[tuple[int, int]]) -> Pairs:
    pairs = Pairs()
    pairs.observe(np.array([one for one, _ in met], np.int64), np.array([two for _, two in met], np.int64))
    return pairs


@law(100)
@given(pairs_met)
def test_every_pair_is_counted_where_it_belongs_or_in_the_last_row_and_column(met: list[tuple[int, int]]) -> None:
    counts = observed(met).counts
    assert counts.sum() == len(met)
    assert len(counts) <= PAIRED_MAX
    for sender, recipient in met:
        assert counts[min(sender, PAIRED_MAX - 1), min(recipient, PAIRED_MAX - 1)] > 0


@law(100)
@given(pairs_met)
def test_a_square_comes_back_from_its_bytes(met: list[tuple[int, int]]) -> None:
    pairs = observed(met)
    assert (Pairs.from_bytes(pairs.to_bytes()).counts == pairs.counts).all()


@pytest.mark.parametrize(
    "packed", [b"", b"no zlib", Pairs(np.zeros((PAIRED_MAX + 1, PAIRED_MAX + 1), np.int64)).to_bytes()]
)
def test_bytes_that_are_no_square_are_refused(packed: bytes) -> None:
    if packed == b"":
        assert len(Pairs.from_bytes(packed).counts) == 0
        return
    with pytest.raises(ValueError, match=r"pairs|square"):
        Pairs.from_bytes(packed)


def test_partitions_that_number_their_agencies_differently_add_up() -> None:
    readings = Readings()
    for partition, order in enumerate((["G22", "H53"], ["H53", "H01", "G22"])):
        codes, tally = Codes(order), Tally()
        tally.count_pairs("receipts", codes.indices(["G22", "G22"]), codes.indices(["H53", "H53"]))
        reading = tally.to_reading(
            codes.codes, version=1, run="r", topic="status", partition=partition, offset=1, at_us=1
        )
        readings.put(decode_reading(encode_reading(reading)[1]))
    total = readings.pairs("r", "status", "receipts", ["H01", "G22", "H53"].index).counts
    assert total.tolist() == [[0, 0, 0], [0, 0, 4], [0, 0, 0]]


def test_agencies_beyond_the_square_are_named_together() -> None:
    codes = [f"A{number}" for number in range(PAIRED_MAX + 5)]
    assert paired_names(codes, 3) == ["A0", "A1", "A2"]
    assert paired_names(codes, PAIRED_MAX)[-2:] == [f"A{PAIRED_MAX - 2}", ""]
    assert paired_names(codes[:PAIRED_MAX], PAIRED_MAX)[-1] == f"A{PAIRED_MAX - 1}"


def test_a_tally_keeps_its_pairs_and_last_instants_through_a_snapshot() -> None:
    codes, tally = Codes(["G22", "H53"]), Tally()
    for instants in ([5, 9], [7, 8]):
        tally.count_pairs("receipts", codes.indices(["G22", "H53"]), codes.indices(["H53", "H53"]))
        tally.note_newest("received_us", codes.indices(["H53", "G22"]), np.array(instants, np.int64))
    reading = tally.to_reading(codes.codes, version=1, run="r", topic="status", partition=0, offset=1, at_us=1)
    again = Tally.from_reading(decode_reading(encode_reading(reading)[1]), Codes(["H53", "G22"]).index)
    assert again.pairs["receipts"].counts.tolist() == [[2, 0], [2, 0]]
    assert again.newest["received_us"].tolist() == [7, 9]
