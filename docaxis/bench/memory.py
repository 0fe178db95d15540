"""Resident memory of processes over time: the peak of each, and whether it keeps growing."""

from dataclasses import dataclass, field
from pathlib import Path


def rss_bytes(pid: int) -> int:
    """Return a process's resident memory now; 0 where the system does not tell (only Linux does)."""
    try:
        status = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    except OSError:
        return 0
    return next((int(line.split()[1]) * 1024 for line in status.splitlines() if line.startswith("VmRSS")), 0)


@dataclass(slots=True)
class MemoryWatch:
    """Samples of several processes, each with the share of the work done by then."""

    samples: dict[str, list[tuple[float, int]]] = field(default_factory=dict)

    def note(self, name: str, done: float, resident_bytes: int) -> None:
        """Note a process's memory when a share `done` (0 to 1) of the work was done."""
        if resident_bytes:
            self.samples.setdefault(name, []).append((done, resident_bytes))

    def growth(self) -> dict[str, float]:
        """Return each process's peak in the second half of the work by that in the first."""
        grown = {}
        for name, samples in self.samples.items():
            first = max((size for done, size in samples if done < 0.5), default=0)
            second = max((size for done, size in samples if done >= 0.5), default=0)
            if first and second:
                grown[name] = second / first
        return grown
