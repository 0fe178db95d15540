"""A recording of any size, generated: documents of the registry's agencies over a year, in order of time."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from docaxis.domain.agency import Registry
from docaxis.recording.columns import table_of
from docaxis.recording.manifest import Part, write_manifest
from docaxis.recording.schema import SCHEMA_VERSION
from docaxis.recording.summary import summarise
from docaxis.recording.writer import PartNote, write_part

START_US = 1_577_811_600_000_000  # 01/01/2020 in Vietnam
YEAR_US = 365 * 86_400_000_000

PART_ROWS = 1_000_000


def generate(folder: Path, rows: int, seed: int = 1) -> None:
    """Write a whole recording of so many documents with one to five recipients."""
    folder.mkdir(parents=True)
    rng = np.random.default_rng(seed)
    codes = pa.array(Registry.load().codes)
    parts: list[Part] = []
    for first in range(0, rows, PART_ROWS):
        count = min(PART_ROWS, rows - first)
        times = START_US + np.sort(rng.integers(first * YEAR_US // rows, (first + count) * YEAR_US // rows, count))
        path = folder / f"part-{len(parts):06d}.parquet"
        write_part(path, _documents(rng, codes, times, first), PartNote(SCHEMA_VERSION, first, count, {}))
        parts.append(Part(path.name, count, path.stat().st_size, int(times[0]), int(times[-1])))
    write_manifest(folder, summarise(folder, parts, {"generated": seed}, sensitive=False))


def _documents(
    rng: np.random.Generator, codes: pa.Array, times: "np.ndarray[tuple[int], np.dtype[np.int64]]", first: int
) -> pa.Table:
    count = len(times)
    numbers = np.arange(first, first + count)
    sender = rng.integers(0, len(codes), count)
    fan_out = rng.integers(1, 6, count)
    begins = np.concatenate([[0], np.cumsum(fan_out)]).astype(np.int32)
    # Distinct recipients, none the sender: some steps further round the registry.
    steps = np.arange(begins[-1]) - np.repeat(begins[:-1], fan_out) + 1
    recipient = (np.repeat(sender + rng.integers(0, 80, count), fan_out) + steps) % len(codes)
    senders = codes.take(pa.array(sender))
    ordinals = pc.utf8_lpad(pa.array(numbers % 9_999_999 + 1).cast(pa.string()), 7, "0")
    years = pa.array(2000 + numbers // 9_999_999).cast(pa.string())
    documents = pc.binary_join_element_wise(senders, years, ordinals, ".")
    instants = pa.array(times)
    return table_of(
        {
            "sequence": pa.array(numbers),
            "time_us": instants,
            "kind": pa.repeat("sent", count),
            "offset": pa.array(numbers),
            "run": pa.repeat("generated", count),
            "packet_id": pc.binary_join_element_wise(documents, pa.scalar("0"), "."),
            "document_id": documents,
            "sender": senders,
            "recipients": pa.ListArray.from_arrays(pa.array(begins), codes.take(pa.array(recipient))),
            "type": pa.repeat(pa.scalar(18, pa.int8()), count),
            "priority": pa.array(rng.integers(0, 3, count).astype(np.int8)),
            "steering": pa.repeat(pa.scalar(1, pa.int8()), count),
            "business": pa.repeat(pa.scalar(0, pa.int8()), count),
            "size": pa.array((1_400_000 * np.exp(rng.standard_normal(count))).astype(np.int64)),
            "calendar_ms": pa.array(times // 1000),
            "intended_us": instants,
            "sent_us": instants,
            "sha256": pa.repeat("", count),
        },
        count,
    )
