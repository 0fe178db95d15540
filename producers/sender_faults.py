"""Faults on the sending side: which documents they befall, and what becomes of those. Pure.

A fault befalls the next `count` documents that are due from its moment on and that no other fault befalls, counted over
all fleets: each fleet sees all arrivals of the workload and applies the fault to those that are its own. Documents
whose receipts may be withheld (`is_for_recipients`) are left out.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from docaxis.workload.faults import SENDER_FAULTS, Fault, are_apart, is_for_recipients
from producers.drafting import Drafts

Int64s = npt.NDArray[np.int64]

#: Mark of a document that no fault befalls.
NONE = -1


@dataclass(frozen=True, slots=True)
class Faulted:
    """Documents as they will be sent, with the time of each and the time the schedule gave it."""

    drafts: Drafts
    due_us: Int64s
    intended_us: Int64s


class SenderFaults:
    """The faults of one run; `phases` are the names of its phases, `first` the one for faults that name none."""

    def __init__(self, faults: Sequence[Fault], phases: Sequence[str], first: str, seed: int) -> None:
        self._apart, self._seed = are_apart(faults), seed
        self.faults = [fault for fault in faults if fault.kind in SENDER_FAULTS]
        self._phase = [phases.index(fault.phase or first) for fault in self.faults]
        self._left = [fault.count or 0 for fault in self.faults]

    def marks(self, phase: int, times_us: Int64s, packet_ids: Callable[[], Sequence[str]]) -> Int64s:
        """Return which fault befalls each of the next documents of a phase (due at these times of it), or NONE.

        `packet_ids` gives the documents' packets; they are asked for only where lots are drawn.
        """
        marks = np.full(len(times_us), NONE, np.int64)
        if not any(left and where == phase for left, where in zip(self._left, self._phase, strict=True)):
            return marks
        free = np.ones(len(times_us), np.bool_)
        if self._apart:
            free = ~np.array([is_for_recipients(packet, self._seed) for packet in packet_ids()], np.bool_)
        for number, fault in enumerate(self.faults):
            if self._phase[number] != phase or not self._left[number]:
                continue
            may = free.copy()
            if fault.kind == "reorder":
                may[-1:] = False  # it goes behind the next one, which the last of a block does not know
            chosen = np.flatnonzero((times_us >= fault.at) & may & (marks == NONE))[: self._left[number]]
            marks[chosen] = number
            self._left[number] -= len(chosen)
        return marks

    def apply(self, drafts: Drafts, due_us: Int64s, marks: Int64s, following_us: Int64s) -> Faulted:
        """Return documents in the order of their sending, with what the faults make of them.

        `following_us` is when the document after each is due, whichever fleet sends it.
        """
        if not (marks != NONE).any():
            return Faulted(drafts, due_us, due_us)
        order, sent_us = [], due_us.copy()
        heads = list(drafts.heads)
        for place, mark in enumerate(marks.tolist()):
            order.append(place)
            if mark == NONE:
                continue
            fault = self.faults[mark]
            if fault.kind == "duplicate":
                order.append(place)
            elif fault.kind == "delay":
                sent_us[place] += fault.by or 0
            elif fault.kind == "reorder":
                sent_us[place] = following_us[place] + 1
            else:
                heads[place] = heads[place][1:]  # without its brace it is no JSON, which the hub must notice
        changed = Drafts(heads, drafts.keys, drafts.partitions, drafts.fan_out, drafts.calendar_ms)
        places = np.array(order, np.int64)
        places = places[np.argsort(sent_us[places], kind="stable")]
        return Faulted(changed.ordered(places), sent_us[places], due_us[places])
