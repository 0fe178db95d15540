"""How exactly the fleet keeps an open schedule while everything runs on the same machine."""

import numpy as np
from aiokafka import AIOKafkaConsumer, TopicPartition

from docaxis.bench.session import SEED, Session
from docaxis.bench.table import Row, Target
from docaxis.commands.conduct import RoleCommand
from docaxis.domain.codec import decode_sent
from docaxis.kafka.client import client_kwargs
from docaxis.kafka.topics import Topics

ERROR_MAX_MS = 1.0


async def measure(session: Session) -> list[Row]:
    """Send at a constant rate with hub, stream worker and receivers beside, then read every document's own stamps."""
    rate, seconds, prefix = session.volume.open_rate, session.volume.open_seconds, "bench-schedule"
    session.tell(f"schedule: {rate:,} documents/s for {seconds} s, open loop, everything on this machine ...")
    shared = ["fleet", "--run", prefix, "--seed", str(SEED)]
    load = ["--rate", str(rate), "--constant", "--drafted-ahead", "--documents", str(rate * seconds), "--no-receive"]
    fleets = [RoleCommand("receivers", shared), RoleCommand("fleet", [*shared, *load])]
    exchange = await session.exchange(prefix, fleets, lambda axis, moment: None)
    errors_ms = await _errors_ms(session, prefix, exchange.documents)
    await session.drop_topics(prefix)
    p50, p99, p999 = np.quantile(errors_ms, (0.5, 0.99, 0.999), method="inverted_cdf").tolist()
    note = f"p99 of sent − intended, {len(errors_ms):,} documents at {rate:,}/s; median {p50:.2f} ms, "
    note += f"p99.9 {p999:.2f} ms, max {errors_ms.max():.1f} ms; {exchange.cpu_note()}"
    return [Row("schedule_error", p99, "ms", None, Target(ERROR_MAX_MS, at_most=True, of_ratio=False), note)]


async def _errors_ms(session: Session, prefix: str, documents: int) -> "np.ndarray[tuple[int], np.dtype[np.float64]]":
    """Return sent − intended of each document in the topic: exact, and not by the generator's own account."""
    reader = AIOKafkaConsumer(
        **client_kwargs(session.settings.kafka), enable_auto_commit=False, auto_offset_reset="earliest"
    )
    errors_us: list[int] = []
    await reader.start()
    try:
        topic = Topics(prefix).sent
        reader.assign([TopicPartition(topic, number) for number in range(session.settings.topics.partitions)])
        while len(errors_us) < documents:
            for records in (await reader.getmany(timeout_ms=1000)).values():
                events = [decode_sent(record.value) for record in records]
                errors_us += [event.sent_us - event.intended_us for event in events]
    finally:
        await reader.stop()
    return np.array(errors_us) / 1000
