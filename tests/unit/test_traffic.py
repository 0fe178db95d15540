"""The traffic model: who writes what to whom, and the batches that hold it."""

import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from docaxis.domain.agency import Agency, Registry
from docaxis.domain.calendar import HOUR_MS
from producers.traffic import DraftBatch, Ordinals, TrafficModel, document_tables
from producers.traffic_fanout import FanOut
from producers.traffic_recipients import draw_recipients

START_MS = 1_600_000_000_000


def registry_of(size: int) -> Registry:
    return Registry(
        [
            Agency(i, f"T{i:05d}", f"000.00.00.T{i:05d}", f"Cơ quan {i}", f"Agency {i}", "unit", "", "verified")
            for i in range(size)
        ]
    )


def drafted(registry: Registry, documents: int, mean: float, seed: int = 1) -> DraftBatch:
    model = TrafficModel.build(registry, seed, mean)
    instants = START_MS + np.arange(documents, dtype=np.int64) * 10
    return model.draft(np.random.default_rng(seed), instants, Ordinals(len(registry)))


def assert_well_formed(batch: DraftBatch, agencies: int) -> None:
    """Recipients are distinct agencies and never the sender; every document has one at least."""
    owners = np.repeat(np.arange(len(batch)), batch.fan_out)
    assert batch.fan_out.min() >= 1
    assert ((batch.recipient >= 0) & (batch.recipient < agencies)).all()
    assert (batch.recipient != batch.sender[owners]).all()
    pairs = owners * agencies + batch.recipient
    assert len(np.unique(pairs)) == len(pairs) == batch.deliveries


@pytest.mark.parametrize(("size", "mean"), [(2, 1.0), (3, 1.5), (5, 3.59), (95, 3.3), (95, 94.0), (1000, 3.3)])
def test_documents_are_well_formed_for_registries_of_any_size(size: int, mean: float) -> None:
    batch = drafted(registry_of(size), 3000, mean)
    assert len(batch) == 3000
    assert_well_formed(batch, size)


@given(st.integers(2, 40), st.integers(0, 2**32), st.data())
@settings(max_examples=60, deadline=None)
def test_recipients_for_any_fan_outs(agencies: int, seed: int, data: st.DataObject) -> None:
    fan_outs = np.array(data.draw(st.lists(st.integers(1, agencies - 1), min_size=1, max_size=30)), dtype=np.int64)
    rng = np.random.default_rng(seed)
    senders = rng.integers(0, agencies, len(fan_outs))
    weights = np.exp(2 * rng.standard_normal(agencies))
    recipients, offsets = draw_recipients(rng, senders, fan_outs, weights)
    assert np.diff(offsets).tolist() == fan_outs.tolist()
    for document, sender in enumerate(senders):
        mine = recipients[offsets[document] : offsets[document + 1]].tolist()
        assert mine == sorted(set(mine))
        assert sender not in mine


def test_both_ways_of_drawing_follow_the_same_law() -> None:
    """Three of 12 by redrawing repeats and by racing: each agency is chosen equally often either way."""
    weights = np.array([10.0, 5, 3, 2, 2, 1, 1, 1, 1, 1, 1, 1])
    documents = 40_000
    senders, fan_outs = np.full(documents, 11), np.full(documents, 3)
    counts = []
    for extra in (0.0, 1e-9):  # 4 agencies more that nobody ever picks bring three below the racing threshold
        padded = weights if not extra else np.concatenate((weights, np.full(4, extra)))
        recipients, _ = draw_recipients(np.random.default_rng(5), senders, fan_outs, padded)
        counts.append(np.bincount(recipients, minlength=12)[:12] / documents)
    assert np.abs(counts[0] - counts[1]).max() < 0.012


def test_the_government_office_receives_its_published_share() -> None:
    registry = Registry.load()
    for mean in (2.99, 3.59):
        batch = drafted(registry, 60_000, mean)
        share = np.mean(batch.recipient == registry.index_of("G22"))
        assert abs(share - 0.075) < 0.005


def test_senders_and_recipients_are_skewed() -> None:
    batch = drafted(Registry.load(), 60_000, 3.3)
    sent = np.sort(np.bincount(batch.sender, minlength=95))[::-1] / len(batch)
    received = np.sort(np.bincount(batch.recipient, minlength=95))[::-1] / batch.deliveries
    assert sent[:10].sum() > 0.25
    assert sent[0] > 5 * np.median(sent)
    assert received[:10].sum() > 0.2
    assert received.min() > 0


def test_broadcasts_reach_all_others_and_come_from_central_bodies() -> None:
    registry = Registry.load()
    batch = drafted(registry, 60_000, 3.3)
    broadcasts = np.flatnonzero(batch.fan_out == 94)
    assert 0.001 < len(broadcasts) / len(batch) < 0.004
    kinds = {registry[int(sender)].kind for sender in batch.sender[broadcasts]}
    assert not kinds & {"province", "centrally-run city"}


@pytest.mark.parametrize(
    ("mean", "agencies"), [(1.0, 2), (1.0, 95), (2.99, 95), (3.59, 95), (3.59, 5), (90.0, 95), (3.3, 3000)]
)
def test_fan_out_has_the_mean_asked_for(mean: float, agencies: int) -> None:
    fan_out = FanOut.with_mean(mean, agencies - 1, exponent=2.0, broadcast_share=0.002)
    assert fan_out.probabilities.sum() == pytest.approx(1)
    assert fan_out.probabilities @ np.arange(1, agencies) == pytest.approx(mean, rel=1e-6)


def test_an_impossible_mean_is_named() -> None:
    with pytest.raises(ValueError, match=r"3\.590"):
        FanOut.with_mean(3.59, 3, exponent=2.0, broadcast_share=0.002)


@given(st.integers(1, 300), st.integers(0, 1000), st.floats(0, 1))
@settings(max_examples=60, deadline=None)
def test_fan_outs_with_an_exact_sum(documents: int, seed: int, fill: float) -> None:
    fan_out = FanOut.with_mean(3.3, 20, exponent=2.0, broadcast_share=0.002)
    deliveries = documents + round(fill * documents * 19)
    drawn = fan_out.draw_exactly(np.random.default_rng(seed), documents, deliveries)
    assert int(drawn.sum()) == deliveries
    assert len(drawn) == documents
    assert drawn.min() >= 1
    assert drawn.max() <= 20


def test_attributes_follow_their_tables() -> None:
    tables = document_tables()
    batch = drafted(Registry.load(), 60_000, 3.3)
    for column, table in ((batch.type, "types"), (batch.priority, "priorities"), (batch.steering, "steering")):
        shares = tables[table]["shares"]
        total = sum(shares.values())
        for value, share in shares.items():
            assert np.mean(column == int(value)) == pytest.approx(share / total, abs=0.006)
        assert set(np.unique(column).tolist()) <= {int(value) for value in shares}
    assert (batch.business == 0).all()
    assert np.median(batch.size) == pytest.approx(1.4e6, rel=0.03)
    assert batch.size.mean() == pytest.approx(2.1e6, rel=0.03)
    assert batch.size.max() <= 50_000_000


def test_every_table_says_whether_it_is_assumed() -> None:
    for name, table in document_tables().items():
        assert table["mark"] in ("V", "D", "A"), name


def test_rows_and_joined_are_inverse() -> None:
    batch = drafted(registry_of(20), 500, 3.3)
    parts = [batch.rows(start, start + 128) for start in range(0, 500, 128)]
    assert [len(part) for part in parts] == [128, 128, 128, 116]
    assert sum(part.deliveries for part in parts) == batch.deliveries
    again = DraftBatch.joined(parts)
    for name in ("sender", "ordinal", "size", "calendar_ms", "recipient", "recipient_from"):
        assert (getattr(again, name) == getattr(batch, name)).all()
    assert len(batch.rows(500, 600)) == batch.rows(500, 600).deliveries == 0


def test_ordinals_run_on_and_restart_on_new_years_day() -> None:
    ordinals = Ordinals(3)
    sender = np.array([0, 1, 0, 0, 2, 0], dtype=np.int32)
    year = np.array([2019, 2019, 2019, 2020, 2020, 2020], dtype=np.int16)
    assert ordinals.take(sender, year).tolist() == [1, 1, 2, 1, 1, 2]
    assert ordinals.take(sender[3:], year[3:]).tolist() == [3, 2, 4]
    with pytest.raises(ValueError, match="2019 after documents of 2020"):
        ordinals.take(sender[:1], year[:1])


def test_the_year_is_that_of_vietnam() -> None:
    new_year_ms = 1_577_811_600_000  # 1 January 2020, 00:00 in Vietnam
    model = TrafficModel.build(registry_of(5), 1, 2.0)
    instants = np.array([new_year_ms - 1, new_year_ms, new_year_ms + HOUR_MS], dtype=np.int64)
    batch = model.draft(np.random.default_rng(1), instants, Ordinals(5))
    assert batch.year.tolist() == [2019, 2020, 2020]


def test_memory_stays_small_for_a_large_registry() -> None:
    registry = registry_of(5000)
    tracemalloc.start()
    batch = drafted(registry, 2000, 40.0)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert_well_formed(batch, 5000)
    assert peak < 120e6
