"""Whom injected faults befell, told from what the topics hold and from what docs/WORKLOAD.md promises.

Each of the senders' faults takes the next documents from its moment on that no other has or may have; so, from the
documents of a phase in the order of their intended moments, it can be said exactly which are doubled, broken, late or
behind the next one. The faults of recipients and of the hub show in the stamps that receipts carry.
"""

import base64
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import orjson

from docaxis.workload.faults import SENDER_FAULTS, is_for_recipients
from docaxis.workload.units import parse_duration_us, parse_rate
from tests.support.truth import Exchanged, read_all

#: A process that is told to stand still may go on for so long.
SIGNAL_US = 50_000

#: The axis's error code of what is no JSON object.
UNREADABLE = 10

Fault = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Befallen:
    """One load test's documents, receipts and result, beside the faults of its workload."""

    exchanged: Exchanged
    broken: Sequence[dict[str, Any]]  # documents of unreadable records, mended
    result: Mapping[str, Any]
    faults: Sequence[Fault]
    phase: str  # in which the faults happen that name none
    seed: int = 1

    @classmethod
    async def read(
        cls, client: Mapping[str, Any], prefix: str, partitions: int, result: Mapping[str, Any], faults: Sequence[Fault]
    ) -> "Befallen":
        """Read the topics of a run once it is over. A corrupt document lacks its brace, and its refusal keeps it."""
        exchanged = await Exchanged.read(client, prefix, partitions, result["run"])
        refused = [one.event for one in await read_all(client, f"{prefix}.refused", partitions)]
        broken = [orjson.loads(b"{" + base64.b64decode(one["value"])) for one in refused if one["code"] == UNREADABLE]
        mine = [one for one in broken if one["run"] == result["run"]]
        measured = next(phase["name"] for phase in result["phases"] if phase["measured"])
        return cls(exchanged, mine, result, faults, measured)

    def check(self) -> None:
        """Check every fault that the topics show."""
        if self._of_phase(*SENDER_FAULTS):
            self.check_senders()
        for fault in self._of_phase("silent-agency", "slow-consumer"):
            self.check_recipient(fault)
        for fault in self._of_phase("paused-hub"):
            self.check_paused_hub(fault)

    def _of_phase(self, *kinds: str) -> list[Fault]:
        return [fault for fault in self.faults if fault["kind"] in kinds and "phase" not in fault]

    @property
    def _begin_us(self) -> int:
        return int(next(one["start_us"] for one in self.result["phases"] if one["name"] == self.phase))

    def _row(self, kind: str) -> Mapping[str, Any]:
        (row,) = (row for row in self.result["faults_injected"] if row["kind"] == kind)
        return dict(row)

    # --- senders

    def _documents(self) -> list[dict[str, Any]]:
        """Return the phase's documents in the order of their intended moments, each once."""
        (phase,) = (one for one in self.result["phases"] if one["name"] == self.phase)
        events = [*(one.event for one in self.exchanged.sent), *self.broken]
        once = {one["packet_id"]: one for one in events if phase["start_us"] <= one["intended_us"] < phase["end_us"]}
        return sorted(once.values(), key=lambda one: int(one["intended_us"]))

    def _taken(self) -> Iterator[tuple[Fault, list[dict[str, Any]]]]:
        """Yield each fault of the senders with the documents that it must befall."""
        apart = "withhold-receipts" in {fault["kind"] for fault in self.faults}
        free = [one for one in self._documents() if not (apart and is_for_recipients(one["packet_id"], self.seed))]
        for fault in self._of_phase(*SENDER_FAULTS):
            begin_us = self._begin_us + parse_duration_us(fault.get("at", "0 s"))
            befallen = [one for one in free if one["intended_us"] >= begin_us][: fault["count"]]
            free = [one for one in free if one not in befallen]
            yield fault, befallen

    def check_senders(self) -> None:
        """Check that exactly the documents that should be were doubled, broken, delayed and put behind the next."""
        taken = {fault["kind"]: (fault, befallen) for fault, befallen in self._taken()}
        assert all(len(befallen) == fault["count"] for fault, befallen in taken.values())
        packets = {kind: {one["packet_id"] for one in befallen} for kind, (_, befallen) in taken.items()}
        documents = self._documents()
        here = {one["packet_id"] for one in documents}
        times = Counter(one.event["packet_id"] for one in self.exchanged.sent)
        assert {packet for packet in here if times[packet] > 1} == packets.get("duplicate", set())
        assert {one["packet_id"] for one in self.broken} & here == packets.get("corrupt", set())
        if "delay" in taken:
            by_us = parse_duration_us(taken["delay"][0]["by"])
            late = {one["packet_id"] for one in documents if one["sent_us"] - one["intended_us"] >= by_us}
            assert late == packets["delay"]
            theirs = [one for one in self._receipts() if one["packet_id"] in late]
            assert all(one["received_us"] - one["intended_us"] >= by_us for one in theirs)
        self._check_order(documents, packets.get("reorder", set()), packets.get("delay", set()))
        for kind, (fault, befallen) in taken.items():
            if sum(one["kind"] == kind for one in self.faults) == 1:
                deliveries = sum(len(one["recipients"]) for one in befallen)
                assert self._row(kind)["detail"] == f"{fault['count']:,} documents, {deliveries:,} deliveries"

    def _check_order(self, documents: Sequence[Mapping[str, Any]], behind: set[str], delayed: set[str]) -> None:
        """Check that each document of `behind` was sent after the next was due, and every other in its turn."""
        for one, following in pairwise(documents):
            if one["packet_id"] in behind:
                assert one["sent_us"] > following["intended_us"]
        places = {one.event["packet_id"]: one for one in reversed(self.exchanged.sent)}
        in_turn = [
            places[one["packet_id"]] for one in documents if one["packet_id"] in places.keys() - behind - delayed
        ]
        # One sender's records of one partition are all written by one fleet.
        offsets: dict[tuple[str, int], list[int]] = {}
        for record in in_turn:
            offsets.setdefault((record.event["sender"], record.partition), []).append(record.offset)
        assert all(found == sorted(found) for found in offsets.values())

    # --- recipients

    @property
    def _restricted(self) -> set[str]:
        return {code for fault in self._of_phase("silent-agency", "slow-consumer") for code in fault["agencies"]}

    def _receipts(self) -> list[dict[str, Any]]:
        """Return the first receipt of each delivered record."""
        first: dict[tuple[int, int], dict[str, Any]] = {}
        for one in self.exchanged.status:
            if one.event["kind"] == "receipt":
                first.setdefault((one.event["partition"], one.event["offset"]), one.event)
        return list(first.values())

    def check_recipient(self, fault: Fault) -> None:
        """Check that deliveries wait for an agency that is away or slow, exactly those, and for nobody else."""
        begin_us = self._begin_us + parse_duration_us(fault.get("at", "0 s"))
        end_us = begin_us + parse_duration_us(fault["lasts"])
        receipts = self._receipts()
        befallen = [
            one
            for one in receipts
            if one["recipient"] in fault["agencies"] and begin_us <= one["available_us"] < end_us
        ]
        answered = {(one["packet_id"], one["recipient"]) for one in receipts}
        withheld = [
            pair for pair in self.exchanged.places.values() if pair not in answered and pair[1] in fault["agencies"]
        ]
        assert len(befallen) <= self._row(fault["kind"])["count"] <= len(befallen) + len(withheld)
        others_us = sorted(
            one["received_us"] - one["available_us"] for one in receipts if one["recipient"] not in self._restricted
        )
        assert others_us[int(0.95 * len(others_us))] < (end_us - begin_us) / 4
        if fault["kind"] == "silent-agency":
            assert all(one["received_us"] >= end_us for one in befallen)
            return
        gap_us = round(1e6 / parse_rate(fault["rate"]).value)
        first_us = min((one["available_us"] for one in befallen), default=0)
        for number, one in enumerate(sorted(befallen, key=lambda one: int(one["received_us"]))):
            assert one["received_us"] >= first_us + number * gap_us

    # --- the hub

    def check_paused_hub(self, fault: Fault) -> None:
        """Check that the hub took in nothing while it stood still, and that what was due then waited for it."""
        at_us = self._row("paused-hub")["at_us"]
        until_us = at_us + parse_duration_us(fault["lasts"])
        taken_in = [one.event["accepted_us"] for one in self.exchanged.delivered]
        assert not [one for one in taken_in if at_us + SIGNAL_US < one < until_us]
        assert [one for one in taken_in if one >= until_us]
