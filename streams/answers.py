"""What a stream worker answers over HTTP about the partitions it owns: which deliveries are open, and one journey.

The monitor finds the worker of a partition in its readings and asks there. Answers are for people, so they are bounded
in rows, in records read and in how many may be worked on, and nothing is written.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import astuple
from operator import itemgetter
from typing import Any

import orjson
from aiohttp import web
from aiokafka.errors import KafkaError

from monitor.web_guard import HEADERS, host_is_ours
from streams.journey import BusyError, Journeys
from streams.outstanding import LISTED_MAX, Outstanding
from streams.state import PartitionState

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Answers:
    """The routes of one worker."""

    def __init__(self, states: Callable[[], Mapping[int, PartitionState]], journeys: Journeys) -> None:
        self._states = states
        self._journeys = journeys

    def routes(self) -> list[web.RouteDef]:
        """Return the routes, for the worker's endpoints."""
        return [web.get("/ledger/open", _local(self._open)), web.get("/ledger/document", _local(self._document))]

    async def _open(self, request: web.Request) -> web.Response:
        """Return the oldest open deliveries of a run, with the partition of each.

        `open` are all of the run, `matching` those that were asked for: rows of them may have been cut off.
        """
        query = request.query
        limit = min(_natural(query.get("limit"), 200), LISTED_MAX)
        asked = query.get("recipient", ""), query.get("sender", ""), _natural(query.get("before_us"), 1 << 62)
        rows: list[tuple[Any, ...]] = []
        total = matching = 0
        for number, state in self._states().items():
            ledger = state.ledgers.get(query.get("run", ""))
            if ledger is not None:
                outstanding = Outstanding.of(ledger)
                chosen = outstanding.chosen(*asked)
                total += len(outstanding.keys)
                matching += len(chosen.keys)
                rows += [(*astuple(row), number) for row in chosen.oldest(limit)]
        rows.sort(key=itemgetter(4))
        return _json({"open": total, "matching": matching, "rows": rows[:limit]})

    async def _document(self, request: web.Request) -> web.Response:
        """Return the journey of a document of a partition owned here."""
        query = request.query
        document_id, partition = query.get("id", ""), _natural(query.get("partition"), -1)
        if not 0 < len(document_id) <= 128 or partition < 0:
            return _json({"error": "give id and partition"}, 400)
        try:
            journey = await self._journeys.look_up(query.get("run", ""), document_id, partition)
        except BusyError:
            return _json({"error": "too many questions at once; ask again in a moment"}, 503)
        except KafkaError as error:
            return _json({"error": f"the records could not be read: {error}"}, 503)
        return _json(journey) if journey is not None else _json({"error": "that partition is not mine"}, 404)


def _natural(text: str | None, default: int) -> int:
    return int(text) if text and text.isascii() and text.isdigit() and len(text) < 17 else default


def _json(body: object, status: int = 200) -> web.Response:
    return web.Response(body=orjson.dumps(body), status=status, content_type="application/json", headers=HEADERS)


def _local(handler: Handler) -> Handler:
    """Refuse what comes under a foreign name, as a page on the Internet could make a browser ask."""

    async def guarded(request: web.Request) -> web.StreamResponse:
        if not host_is_ours(request.headers.get("Host", "")):
            return _json({"error": "not served under that name"}, 421)
        return await handler(request)

    return guarded
