"""What every process exports about itself: build, runs, memory and CPU."""

import platform
from collections.abc import Callable, Iterable, Iterator
from itertools import islice

from prometheus_client import ProcessCollector

from docaxis import __version__
from monitor import catalogue
from monitor.metric import Family

#: Most runs shown, the newest: each is a series.
RUNS_MAX = 32

_BY_NAME = {spec.family: spec for spec in catalogue.PROCESS}


class ProcessMetrics:
    """Collector of one process."""

    def __init__(self, role: str, runs: Callable[[], Iterable[str]] = lambda: ()) -> None:
        """`role` is what the process does (hub, stream, fleet); `runs` names the runs it has seen, newest last."""
        self._role = role
        self._runs = runs
        # Reads the kernel's own figures in /proc, no disk; on other systems it has none.
        self._process = ProcessCollector(registry=None)

    def families(self) -> Iterator[Family]:
        """Yield everything."""
        build = Family(catalogue.BUILD_INFO)
        build.add(1, __version__, platform.python_version(), self._role)
        yield build
        runs = Family(catalogue.RUN_INFO)
        for run in islice(reversed([run for run in self._runs() if run]), RUNS_MAX):
            runs.add(1, run)
        yield runs
        for metric in self._process.collect():
            if (spec := _BY_NAME.get(metric.name)) is not None:
                yield Family(spec, metric.samples[0].value)
