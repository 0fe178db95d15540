"""A closed load's window follows the ledger, by what the stream workers tell of closed deliveries."""

import asyncio
import contextlib

from monitor.feed import Feed
from monitor.reading import CLOSING
from producers.fleet_settings import FleetSettings, FleetStats

#: Without news the window is looked at as often.
LOOK_INTERVAL_S = 0.5


async def widen_window(settings: FleetSettings, stats: FleetStats, stop: asyncio.Event) -> None:
    """Let the window follow the ledger: what is closed there is no longer under way, whoever received it.

    So a closed load is paced by the slowest part of the whole axis, the audit included, and nothing piles up.
    """
    feed = Feed(settings.client, settings.topics, settings.partitions)
    following = asyncio.ensure_future(feed.follow(stop))
    window, closed = stats.window, 0
    assert window is not None
    while not (stop.is_set() or stats.sending_ended):
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(feed.changed.wait(), LOOK_INTERVAL_S)
        feed.changed.clear()
        counts = feed.readings.counts(settings.run, CLOSING)
        mine = closed_of(stats.sender.deliveries, counts["closed"], counts["expected"]) - closed
        if mine > 0:
            closed += mine
            stats.closed_deliveries = closed
            window.closed(mine)
    following.cancel()
    await asyncio.gather(following, return_exceptions=True)


def closed_of(mine: int, closed: int, expected: int) -> int:
    """Return how many of the `closed` deliveries of a run are those of a fleet that sent `mine` of the `expected`.

    The ledger does not tell fleets apart, and their agencies send unequally: each takes its part of what was sent. At
    the end, when all is closed, that is exactly what each sent.
    """
    return closed * mine // max(expected, mine, 1)
