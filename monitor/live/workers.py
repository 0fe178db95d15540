"""Asking the stream workers: which deliveries are open, what became of a document, whether they are there at all."""

import asyncio
from collections.abc import Mapping
from operator import itemgetter
from typing import Any

import aiohttp

from docaxis.kafka.partitioner import partition_of
from monitor.reading import Readings
from monitor.stuck import Fronts

#: A worker that counts a full chunk answers a little later; a lookup reads for up to 5 s.
ANSWER_WITHIN_S = 10.0

#: How often the workers are asked whether they are there.
LOOK_EVERY_S = 5.0

#: Of one answer, whatever a worker sends.
BYTES_MAX = 8 << 20

#: Rows that are asked of each worker for a list of one stage, which only the monitor can tell.
SIFTED_MAX = 5_000


class NoAnswerError(Exception):
    """The worker that owns what was asked does not answer; the message says which."""


class Workers:
    """The stream workers, as their readings announce them."""

    def __init__(self, readings: Readings, partitions: int) -> None:
        self._readings = readings
        self._partitions = partitions
        self.answering = 0

    def urls(self) -> list[str]:
        """Return where the workers are that own partitions now."""
        return sorted(set(self._readings.owners().values()))

    async def look(self, stop: asyncio.Event) -> None:
        """Note every few seconds how many of them answer, until told to stop."""
        async with _session(2.0) as session:
            while not stop.is_set():
                urls = self.urls()
                there = await asyncio.gather(*(_is_there(session, url) for url in urls))
                self.answering = sum(there)
                try:
                    await asyncio.wait_for(stop.wait(), LOOK_EVERY_S if urls else 0.5)
                except TimeoutError:
                    continue

    async def open_deliveries(self, run: str, asked: Mapping[str, str], limit: int) -> dict[str, Any]:
        """Return the oldest open deliveries of a run, each with the stage it is stuck at.

        `asked` may name `recipient`, `sender`, `before_us` and `stage`. `open` are all of the run; `more` are asked for
        too, but not in the list; `unsifted` are so many that nobody looked which stage they are at.

        Raises:
            NoAnswerError: none of the workers answered. If only some did not, `silent` names them, and
                `partitions_missing` the partitions that nobody answered for.
        """
        owners = self._readings.owners()
        urls = sorted(set(owners.values()))
        stage = asked.get("stage", "")
        query = {"run": run, "limit": str(SIFTED_MAX if stage else limit)}
        query |= {name: value for name, value in asked.items() if value and name != "stage"}
        async with _session(ANSWER_WITHIN_S) as session:
            answers = await asyncio.gather(*(_ask(session, f"{url}/ledger/open", query) for url in urls))
        silent = [url for url, answer in zip(urls, answers, strict=True) if answer is None]
        if len(silent) == len(urls):
            raise NoAnswerError(", ".join(silent) or "no stream worker has announced itself yet")
        fronts = Fronts.of(self._readings, run, self._partitions)
        rows = sorted((row for answer in answers if answer for row in answer["rows"]), key=itemgetter(4))
        staged = [[*row[:5], fronts.stage(row[5], row[3], row[4]).value] for row in rows]
        found = [row for row in staged if stage in ("", row[5])]
        unlisted = sum(answer["matching"] - len(answer["rows"]) for answer in answers if answer)
        more = max(0, len(found) - limit)
        return {
            "open": sum(answer["open"] for answer in answers if answer),
            "rows": found[:limit],
            "more": more if stage else more + unlisted,
            "unsifted": unlisted if stage else 0,
            "silent": silent,
            "partitions_missing": [
                number for number in range(self._partitions) if owners.get(number) in (None, *silent)
            ],
        }

    async def journey(self, run: str, document_id: str) -> dict[str, Any]:
        """Return the journey of a document, or of the document that a packet id belongs to.

        A packet id falls into another partition than its document: the silence of that one's owner is no reason not to
        ask the document's.

        Raises:
            NoAnswerError: the worker that owns it does not answer.
        """
        shorter, dot, serial = document_id.rpartition(".")
        if not (shorter and dot and serial.isdigit()):
            return await self._journey(run, document_id)
        try:
            journey = await self._journey(run, document_id)
        except NoAnswerError:
            journey = await self._journey(run, shorter)
            if not journey["packets"]:
                raise
            return journey
        return journey if journey["packets"] else await self._journey(run, shorter)

    async def _journey(self, run: str, document_id: str) -> dict[str, Any]:
        partition = partition_of(document_id.encode(), self._partitions)
        url = self._readings.owners().get(partition)
        if url is None:
            raise NoAnswerError(f"no stream worker has announced itself for partition {partition} yet")
        async with _session(ANSWER_WITHIN_S) as session:
            query = {"run": run, "id": document_id, "partition": str(partition)}
            answer = await _ask(session, f"{url}/ledger/document", query)
        if answer is None:
            raise NoAnswerError(url)
        return answer


def _session(within_s: float) -> aiohttp.ClientSession:
    return aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=within_s))


async def _is_there(session: aiohttp.ClientSession, url: str) -> bool:
    try:
        async with session.get(f"{url}/healthz") as answer:
            return answer.status == 200
    except (aiohttp.ClientError, TimeoutError, ValueError):
        return False


async def _ask(session: aiohttp.ClientSession, url: str, query: Mapping[str, str]) -> dict[str, Any] | None:
    try:
        async with session.get(url, params=query) as answer:
            if answer.status != 200 or (answer.content_length or 0) > BYTES_MAX:
                return None
            found: dict[str, Any] = await answer.json()
            return found
    except (aiohttp.ClientError, TimeoutError, ValueError):
        return None
