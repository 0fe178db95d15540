"""Which agencies a metric names: all of them up to a bound, beyond it the busiest, and the rest as "other".

An agency that is shown stays shown as long as it is on the axis, and one that was counted as "other" stays there: a
series never moves, so every counter only grows. One that is in no registry and has been silent for long has left: its
series end, and begin at 0 if it ever comes back.
"""

from collections.abc import Iterable, Mapping

#: Most agencies by name: the axis has 95.
NAMED_MAX = 100

#: Label of all others together.
OTHER = "other"


class AgencyLabels:
    """Numbers the label values of agencies; `labels[slot]` is the text, the last slot is everybody else's."""

    def __init__(
        self, agencies: Iterable[str] = (), named_max: int = NAMED_MAX, texts: Mapping[str, str] | None = None
    ) -> None:
        """Name `agencies` from the start if all of them have room, so that their series begin at 0.

        `texts` are labels of codes that must not be shown as they are: those invented to have a key.
        """
        self._named_max = named_max
        self._texts = texts or {}
        self._slots: dict[str, int] = {}
        self._fixed: frozenset[str] = frozenset()
        #: Changes whenever an agency gets or loses its slot.
        self.generation = 0
        known = list(dict.fromkeys(agencies))
        if len(known) <= named_max:
            self.admit(dict.fromkeys(known, 0))
            self._fixed = frozenset(known)

    @property
    def other(self) -> int:
        """The slot of everybody who is not named."""
        return self._named_max

    @property
    def shown(self) -> list[tuple[int, str]]:
        """Slot and text of every label in use."""
        named = [(slot, self._texts.get(code, code)) for code, slot in self._slots.items() if slot != self.other]
        return [*named, (self.other, OTHER)] if len(named) < len(self._slots) else named

    def admit(self, activity: Mapping[str, int]) -> None:
        """Give a slot to every agency that has none yet, the busiest first."""
        new = [code for code in activity if code not in self._slots]
        if not new:
            return
        self.generation += 1
        free = sorted(set(range(self._named_max)) - set(self._slots.values()), reverse=True)
        if len(new) > len(free):
            new.sort(key=lambda code: (-activity[code], code))
        for code in new:
            self._slots[code] = self.other if code == OTHER or not free else free.pop()

    @property
    def leavable(self) -> list[tuple[str, int]]:
        """Code and slot of every named agency that is in no registry."""
        return [(code, slot) for code, slot in self._slots.items() if slot != self.other and code not in self._fixed]

    def retire(self, code: str) -> None:
        """Take an agency's slot away; whoever holds its counts drops them."""
        del self._slots[code]
        self.generation += 1

    def slot(self, code: str) -> int:
        """Return the slot of an agency; one that was never admitted is among the others."""
        return self._slots.get(code, self._named_max)
