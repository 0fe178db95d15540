"""Delivery keys: packed ids read back, vectorised parsing says what the one-by-one parsing says, nothing else packs."""

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from streams.keys import (
    CODES_MAX,
    FOREIGN,
    RECIPIENT_MASK,
    Codes,
    foreign_key,
    packet_base,
    packet_bases,
    read_packet,
    sequence_slots,
)
from tests.support.laws import law

SENDERS = ["G22", "H53", "T00001", "G22.01", "000.00.00.H53", "Bộ"]
PACKABLE = st.tuples(
    st.sampled_from(["G22", "H53", "T00001"]), st.integers(2000, 2127), st.integers(0, 9_999_999), st.integers(0, 63)
)

# Spellings that look like packed ids and must not be taken for one: another id would have the same key.
NOT_CANONICAL = [
    "G22.2021.0000123.00",
    "G22.2021.0000123.01",
    "G22.2021.000123.0",
    "G22.2021.00000123.0",
    "G22.2021.0000123.0\n",
    "G22.2021.0000123.-1",
    "G22.2021.0000123. 0",
    "G22.+021.0000123.0",
    "G22.٢٠٢١.0000123.0",
    "G22.202:.0000123.0",  # a colon is what follows 9: its value is 10
    "G22.2021.00001:3.0",
    "G22.2021.0000123.:",
    "G22.2021.0000/23.0",
    "G22.2021.0000123.٠",
    "G22.2021.0000123",
    "G22-2021-0000123-0",
    "g22.2021.0000123.0",
    "H53.2021.0000123.0",
    "1f0c7f6e-6f0b-4ab4-b9ad-0f7c8e5d1a2b",
    ".2021.0000123.0",
]
OUT_OF_RANGE = ["G22.1999.0000123.0", "G22.2128.0000123.0", "G22.2021.0000123.64", "G22.2021.0000123.100"]


def text_of(packet: tuple[str, int, int, int]) -> str:
    code, year, ordinal, serial = packet
    return f"{code}.{year}.{ordinal:07d}.{serial}"


@law(80)
@given(PACKABLE)
@example(("G22", 2000, 0, 0))
@example(("T00001", 2127, 9_999_999, 63))
def test_a_canonical_id_packs_and_reads_back(packet: tuple[str, int, int, int]) -> None:
    codes = Codes(SENDERS)
    sender = codes.index(packet[0])
    base = packet_base(text_of(packet), packet[0], sender)
    assert base >= 0
    assert base & RECIPIENT_MASK == 0
    assert read_packet(base) == (sender, *packet[1:])


@pytest.mark.parametrize("packet_id", NOT_CANONICAL + OUT_OF_RANGE)
def test_no_other_spelling_packs_alone_or_in_company(packet_id: str) -> None:
    codes = Codes(["G22"])
    assert packet_base(packet_id, "G22", 0) == FOREIGN
    company = ["G22.2021.0000001.0", packet_id, "G22.2021.0000002.0"]
    bases = packet_bases(company, ["G22"] * 3, codes.indices(["G22"] * 3))
    assert (bases == FOREIGN).tolist() == [False, True, False]


@pytest.mark.parametrize("sender", ["G22.01", "000.00.00.G22", "000.00.13.G22"])
def test_ids_of_a_sender_under_another_spelling_of_its_code_do_not_pack(sender: str) -> None:
    """A sub-unit numbers its documents by itself: packed, they would be taken for those of its agency."""
    codes = Codes()
    for packet_id in ("G22.2021.0000001.0", f"{sender}.2021.0000001.0"):
        bases = packet_bases([packet_id], [sender], codes.indices([sender]), aliased=codes.aliased)
        assert bases.tolist() == [FOREIGN]


def test_a_sender_beyond_the_numbers_does_not_pack() -> None:
    overflow = np.array([CODES_MAX, 0], np.int64)
    bases = packet_bases(["G22.2021.0000001.0", "H53.2021.0000001.0"], ["G22", "H53"], overflow)
    assert (bases == FOREIGN).tolist() == [True, False]


any_id = st.builds(text_of, PACKABLE) | st.sampled_from(NOT_CANONICAL + OUT_OF_RANGE)
one_width = st.builds(
    text_of, st.tuples(st.sampled_from(["G22", "H53"]), st.integers(1995, 2130), st.integers(0, 20), st.integers(0, 9))
)
any_pair = st.tuples(any_id, st.sampled_from(SENDERS)) | any_id.map(lambda one: (one, one.split(".")[0]))


@law(70)
@given(st.lists(one_width.map(lambda one: (one, one[:3])), max_size=8) | st.lists(any_pair, max_size=8))
@example([("G22.2021.0000001.0", "G22"), ("H53.2021.0000001.0", "H53")])
@example([("G22.2021.0000001.0", "H53"), ("H53.2021.0000001.0", "G22")])
@example([("T1.2021.0000001.00", "T1."), ("T1.2021.0000001.00", "T1.")])
@example([("G22.2021.0000001.0", "G2"), ("G22.2021.0000001.0", "2G22")])
@example([("G22.2021.0000001.0", "G22"), ("G22.2021.0000001.0G22.2021.0000001.", "G22")])
def test_many_ids_at_once_pack_as_each_alone(pairs: list[tuple[str, str]]) -> None:
    packet_ids, senders = [one for one, _ in pairs], [sender for _, sender in pairs]
    codes = Codes()
    numbers = codes.indices(senders)
    bases = packet_bases(packet_ids, senders, numbers, aliased=codes.aliased)
    alone = [packet_base(one, sender, codes.index(sender)) for one, sender in pairs]
    assert bases.tolist() == alone


@law(80)
@given(st.lists(any_pair, max_size=20))
def test_different_packets_never_share_a_packed_key(pairs: list[tuple[str, str]]) -> None:
    codes = Codes()
    packed: dict[int, str] = {}
    for packet_id, sender in pairs:
        base = packet_base(packet_id, sender, codes.index(sender))
        if base != FOREIGN:
            assert packed.setdefault(base, packet_id) == packet_id


@law(80)
@given(st.text(max_size=20), st.text(max_size=9), st.text(max_size=9), st.text(max_size=9))
def test_foreign_keys_are_negative_and_never_the_mark_of_a_foreign_base(
    packet_id: str, sender: str, recipient: str, another: str
) -> None:
    key = foreign_key(packet_id, sender, recipient)
    assert -(1 << 63) <= key < 0
    if another != recipient:
        assert key != foreign_key(packet_id, sender, another)
    if another != sender:
        assert key != foreign_key(packet_id, another, recipient)


def test_all_spellings_of_an_agency_share_its_number_and_new_agencies_follow_in_order() -> None:
    codes = Codes(["G22"])
    assert codes.indices(["000.00.00.H53", "G22", "H53.01.02", "000.00.13.H53", "H53", "Bộ"]).tolist() == [
        1, 0, 1, 1, 1, 2,
    ]  # fmt: skip
    assert codes.codes == ["G22", "H53", "Bộ"]
    assert codes.name("H53.07") == "H53"
    assert codes.aliased


def test_numbers_survive_being_stored() -> None:
    codes = Codes(["G22"])
    codes.indices(["H53.01", "T01", "H53"])
    again = Codes(codes.codes)
    assert again.codes == codes.codes
    assert not again.aliased
    assert again.indices(["T01", "000.00.00.H53", "G22"]).tolist() == [2, 1, 0]


def test_agencies_beyond_the_numbers_share_one_that_fits_no_key() -> None:
    codes = Codes([f"A{number:05d}" for number in range(CODES_MAX)])
    assert codes.index("B00001") == codes.index("B00002") == CODES_MAX
    assert codes.name("B00001.01") == "B00001"
    assert len(codes) == CODES_MAX
    assert codes.index("A00007") == 7


def test_sequences_rise_as_a_sender_sends_and_slots_keep_senders_and_years_apart() -> None:
    packets = [("G22", 2021, 1, 0), ("G22", 2021, 1, 1), ("G22", 2021, 2, 0), ("G22", 2022, 1, 0), ("H53", 2021, 1, 0)]
    codes = Codes()
    bases = [packet_base(text_of(packet), packet[0], codes.index(packet[0])) for packet in packets]
    slots, sequences = sequence_slots(np.array(bases, np.int64))
    assert slots[0] == slots[1] == slots[2]
    assert sequences[0] < sequences[1] < sequences[2]
    assert len({*slots.tolist()}) == 3
