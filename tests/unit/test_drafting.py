"""Drafting: what is stamped and sent says what the columns say, in the order of the columns."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from docaxis.domain.agency import Agency, Registry
from docaxis.domain.codec import decode_sent, encode
from docaxis.domain.document import document_id, packet_id
from docaxis.kafka.partitioner import partition_of
from producers.drafting import Drafter, stamped
from producers.traffic import DraftBatch, Ordinals, TrafficModel
from tests.support.events import CALENDAR_MS, SENT_US
from tests.support.laws import law

PARTITIONS = 6
REGISTRY = Registry.load()


def drafted(documents: int, seed: int, mean: float = 3.0) -> DraftBatch:
    model = TrafficModel.build(REGISTRY, seed, mean)
    instants = CALENDAR_MS + np.arange(documents, dtype=np.int64) * 60_000
    return model.draft(np.random.default_rng(seed), instants, Ordinals(len(REGISTRY)))


def row_of(batch: DraftBatch, row: int, run: str, codes: tuple[str, ...]) -> dict[str, object]:
    """Return the fields of the event that row `row` of the columns stands for."""
    document = document_id(codes[batch.sender[row]], int(batch.year[row]), int(batch.ordinal[row]))
    first, last = batch.recipient_from[row : row + 2]
    return {
        "version": 1,
        "run": run,
        "packet_id": packet_id(document, 0),
        "document_id": document,
        "sender": codes[batch.sender[row]],
        "recipients": [codes[index] for index in batch.recipient[first:last]],
        "calendar_ms": int(batch.calendar_ms[row]),
        "intended_us": SENT_US + row,
        "sent_us": SENT_US + 2 * row,
        "sha256": "",
    } | {name: int(getattr(batch, name)[row]) for name in ("type", "priority", "steering", "business", "size")}


@law(12)
@given(st.integers(1, 120), st.integers(0, 1 << 30), st.sampled_from([1.0, 3.0, 40.0]), st.text(min_size=1, max_size=9))
def test_a_stamped_draft_decodes_to_what_the_columns_say(documents: int, seed: int, mean: float, run: str) -> None:
    batch = drafted(documents, seed, mean)
    drafts = Drafter(run, REGISTRY, PARTITIONS).draft(batch)
    assert len(drafts) == documents
    for row, head in enumerate(drafts.heads):
        event = decode_sent(stamped(head, SENT_US + row, SENT_US + 2 * row))
        assert {name: getattr(event, name) for name in event.__struct_fields__} == row_of(
            batch, row, run, REGISTRY.codes
        )
        assert drafts.keys[row] == event.document_id.encode()
        assert drafts.partitions[row] == partition_of(drafts.keys[row], PARTITIONS)
        assert drafts.fan_out[row] == len(event.recipients)
        assert drafts.calendar_ms[row] == event.calendar_ms


def test_documents_keep_their_order_within_every_partition() -> None:
    drafts = Drafter("run", REGISTRY, PARTITIONS).draft(drafted(500, 7))
    assert set(drafts.partitions.tolist()) == set(range(PARTITIONS))
    for partition in range(PARTITIONS):
        mine = drafts.calendar_ms[drafts.partitions == partition].tolist()
        assert all(before < after for before, after in pairwise(mine))


def test_drafting_in_slices_is_drafting_at_once() -> None:
    batch, drafter = drafted(100, 3), Drafter("run", REGISTRY, PARTITIONS)
    whole = drafter.draft(batch)
    parts = [drafter.draft(batch.rows(first, first + 33)) for first in range(0, 100, 33)]
    assert [head for part in parts for head in part.heads] == whole.heads
    assert [key for part in parts for key in part.keys] == whole.keys
    assert np.concatenate([part.partitions for part in parts]).tolist() == whole.partitions.tolist()
    assert np.concatenate([part.fan_out for part in parts]).tolist() == whole.fan_out.tolist()


def test_a_batch_of_nothing_drafts_nothing() -> None:
    drafts = Drafter("run", REGISTRY, PARTITIONS).draft(drafted(5, 1).rows(0, 0))
    assert len(drafts) == len(drafts.keys) == len(drafts.partitions) == len(drafts.fan_out) == 0


@pytest.mark.parametrize("run", ['a "quoted" run', "back\\slash", "văn bản", "percent %d %b", "new\nline"])
def test_any_name_of_a_run_is_written_as_valid_json(run: str) -> None:
    head = Drafter(run, REGISTRY, 1).draft(drafted(1, 1)).heads[0]
    assert decode_sent(stamped(head, 1, 2)).run == run


def test_the_bytes_are_those_of_the_codec() -> None:
    """One spelling of the wire format: what is drafted by hand is what the codec would have written."""
    head = Drafter("run", REGISTRY, 1).draft(drafted(1, 1)).heads[0]
    value = stamped(head, SENT_US, SENT_US + 5)
    assert value[:-1] + b',"sha256":""}' == encode(decode_sent(value))


def test_codes_of_any_width_are_drafted() -> None:
    codes = ["A01", "B000002", "C03"]
    agencies = [
        Agency(i, code, f"000.00.00.{code}", code, code, "unit", "", "verified") for i, code in enumerate(codes)
    ]
    batch = DraftBatch(
        sender=np.array([1, 0], np.int32),
        year=np.array([2021, 2021], np.int16),
        ordinal=np.array([1, 9_999_999], np.int32),
        type=np.array([18, 1], np.uint8),
        priority=np.array([0, 4], np.uint8),
        steering=np.array([1, 3], np.uint8),
        business=np.array([0, 1], np.uint8),
        size=np.array([0, 1 << 40], np.int64),
        calendar_ms=np.array([0, 1 << 41], np.int64),
        recipient=np.array([0, 2, 1], np.int32),
        recipient_from=np.array([0, 2, 3], np.int64),
    )
    drafts = Drafter("run", Registry(agencies), 3).draft(batch)
    told = [decode_sent(stamped(head, 0, (1 << 53) - 1)) for head in drafts.heads]
    assert [event.packet_id for event in told] == ["B000002.2021.0000001.0", "A01.2021.9999999.0"]
    assert [event.recipients for event in told] == [["A01", "C03"], ["B000002"]]
    assert told[1].size == 1 << 40
