"""Faults at the recipients: agencies that fall silent, that are slow, or that answer nothing. Times are given."""

from collections.abc import Callable, Sequence

from docaxis.domain.plan import Plan
from docaxis.kafka.partitioner import partition_of
from docaxis.workload.faults import RECEIVER_FAULTS, Fault, are_apart, is_for_recipients

#: Told of a fault's name and how many deliveries it befell.
OnInjected = Callable[[str, int], None]

#: Number of the inbox that stands for all of them.
_EVERY_INBOX = -1


class ReceiverFaults:
    """What befalls the recipients of one fleet. `codes` are the agencies that each fault names, empty for all.

    `share` is the fleet's number and how many there are, `inboxes` the partitions in which deliveries wait.
    """

    def __init__(
        self,
        faults: Sequence[tuple[Fault, frozenset[str]]],
        plan: Callable[[], Plan | None],
        first_phase: str,
        on_injected: OnInjected,
        seed: int,
        share: tuple[int, int] = (0, 1),
        inboxes: int = 1,
    ) -> None:
        self._apart, self._seed = are_apart(fault for fault, _ in faults), seed
        self._faults = [(fault, codes) for fault, codes in faults if fault.kind in RECEIVER_FAULTS]
        self._plan = plan
        self._first_phase = first_phase
        self._on_injected = on_injected
        self._inboxes = inboxes
        self._left = [_withheld_here(fault.count or 0, codes, share, inboxes) for fault, codes in self._faults]
        self._free_us: dict[str, int] = {}
        self._withheld: set[tuple[str, str]] = set()
        #: Agencies whose deliveries may have to wait.
        self.restricted: frozenset[str] = frozenset().union(
            *(codes for fault, codes in self._faults if fault.kind != "withhold-receipts")
        )
        self.withholds = any(fault.kind == "withhold-receipts" for fault, _ in self._faults)

    def _span_us(self, fault: Fault) -> tuple[int, int] | None:
        """Return when a fault begins and ends on the wall clock, as the plan stands; None before there is one."""
        plan = self._plan()
        if plan is None:
            return None
        name = fault.phase or self._first_phase
        begin_us = next(phase.begin_us for phase in plan.phases if phase.name == name) + fault.at
        return begin_us, begin_us + fault.lasts if fault.lasts is not None else max(plan.end_us, begin_us)

    def opens_us(self, agency: str, at_us: int) -> int:
        """Return when an agency takes a delivery that it could take at `at_us` if nothing befell it."""
        for fault, codes in self._faults:
            if agency not in codes or fault.kind == "withhold-receipts":
                continue
            span = self._span_us(fault)
            if span is None or not span[0] <= at_us < span[1]:
                continue
            self._on_injected(fault.kind, 1)
            if fault.kind == "silent-agency":
                at_us = span[1]
            else:
                assert fault.rate is not None
                at_us = max(at_us, self._free_us.get(agency, 0))
                self._free_us[agency] = at_us + round(1e6 / fault.rate.value)
        return at_us

    def withhold(self, packet_id: str, agency: str, received_us: int) -> bool:
        """Return whether this delivery is never answered, however often it is fetched."""
        if (packet_id, agency) in self._withheld:
            return True
        if self._apart and not is_for_recipients(packet_id, self._seed):
            return False
        for number, (fault, codes) in enumerate(self._faults):
            left = self._left[number]
            if fault.kind != "withhold-receipts" or not any(left.values()) or (codes and agency not in codes):
                continue
            inbox = _EVERY_INBOX if _EVERY_INBOX in left else partition_of(agency.encode(), self._inboxes)
            span = self._span_us(fault) if left[inbox] else None
            if span is not None and received_us >= span[0]:
                left[inbox] -= 1
                self._withheld.add((packet_id, agency))
                self._on_injected(fault.kind, 1)
                return True
        return False


def _withheld_here(count: int, codes: frozenset[str], share: tuple[int, int], inboxes: int) -> dict[int, int]:
    """Return how many receipts this fleet withholds, by inbox or over all.

    Of several fleets each withholds its part, for each has inboxes; but where agencies are named only who has theirs
    can, and nobody knows beforehand who that is: there each inbox of theirs has its part, whoever has the inbox.
    """
    index, of = share
    if of == 1:
        return {_EVERY_INBOX: count}
    if not codes:
        return {_EVERY_INBOX: (count + of - 1 - index) // of}
    named = sorted({partition_of(code.encode(), inboxes) for code in codes})
    return {inbox: (count + len(named) - 1 - place) // len(named) for place, inbox in enumerate(named)}


def named_codes(
    faults: Sequence[Fault], codes_of: Callable[[Sequence[str]], Sequence[str]]
) -> list[tuple[Fault, frozenset[str]]]:
    """Return each fault with the codes of the agencies it names; `codes_of` resolves codes and kinds."""
    return [(fault, frozenset(codes_of(fault.agencies)) if fault.agencies else frozenset()) for fault in faults]
