"""Meter and ledger against a bare loop over the same records, and the meter against a stock Faust agent."""

from collections import defaultdict

from docaxis.bench.part import run_part
from docaxis.bench.prepared import Prepared, prepared
from docaxis.bench.session import Session, rest
from docaxis.bench.table import Row, Target, median_of

#: (meter, ledger) of each way to run a worker.
_DUTIES = {"meter": (True, False), "ledger": (False, True), "ledger_and_meter": (True, True)}

Rates = dict[str, list[dict[str, float]]]


async def measure(session: Session) -> list[Row]:
    """Take turns: bare, meter, ledger, both; each in a process and a consumer group of its own."""
    topics = await prepared(session)
    rates: Rates = defaultdict(list)
    for turn in range(session.volume.rounds):
        session.tell(f"meter and ledger: {topics.records:,} records, turn {turn + 1} of {session.volume.rounds} ...")
        rates["bare"].append(_told(session, "bare", await _bare(session, topics)))
        for name in _DUTIES:
            rates[name].append(_told(session, name, await _worker(session, name, turn)))
    stock = await _stock(session)
    return [
        _row("meter", rates, Target(0.8, at_most=False)),
        Row(
            "meter_stock",
            _median(rates["meter"]),
            "records/s",
            stock["per_second"],
            Target(20, at_most=False),
            f"against a stock Faust agent that parses and counts {stock['records']:,} documents; "
            f"{_median(rates['meter'], 'per_cpu_second') / stock['per_cpu_second']:.1f} by processor time",
        ),
        _row("ledger", rates, None),
        _row("ledger_and_meter", rates, None),
    ]


async def _bare(session: Session, topics: Prepared) -> dict[str, float]:
    log = session.folder / "bare-read.log"
    return await run_part(session.settings, log, "bare-read", prefix=topics.prefix, records=topics.records)


def _told(session: Session, name: str, rates: dict[str, float]) -> dict[str, float]:
    session.tell(f"  {name:<16} {rates['per_second']:>9,.0f} records/s")
    return rates


async def _worker(session: Session, name: str, turn: int) -> dict[str, float]:
    topics = await prepared(session)
    meter, ledger = _DUTIES[name]
    out = f"bench-{name}-{turn}"
    await session.create_topics(out)
    # The ledger alone does not read the delivered records.
    records = topics.records if meter else topics.records - topics.deliveries
    result = await run_part(
        session.settings,
        session.folder / f"{name}.log",
        "stream",
        prefix=topics.prefix,
        out=out,
        records=records,
        meter=meter,
        ledger=ledger,
    )
    await session.drop_topics(out)
    await rest(0.5)
    return result


async def _stock(session: Session) -> dict[str, float]:
    topics = await prepared(session)
    records = min(session.volume.stock_records, topics.documents)
    session.tell(f"stock Faust: {records:,} records ...")
    result = await run_part(
        session.settings,
        session.folder / "stock.log",
        "stock",
        prefix=topics.prefix,
        group="bench-stock",
        records=records,
        folder=str(session.folder),
    )
    return {**result, "records": records}


def _row(name: str, rates: Rates, target: Target | None) -> Row:
    by_cpu = _median(rates[name], "per_cpu_second") / _median(rates["bare"], "per_cpu_second")
    note = f"against getmany + orjson.loads + count; {by_cpu:.2f} by processor time"
    return Row(name, _median(rates[name]), "records/s", _median(rates["bare"]), target, note)


def _median(rates: list[dict[str, float]], name: str = "per_second") -> float:
    return median_of(one[name] for one in rates)
