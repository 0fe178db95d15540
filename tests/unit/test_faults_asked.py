"""A run does not pass if fewer faults were injected than its workload asks for, unless somebody cut it short."""

from pathlib import Path
from typing import Any

import pytest

from docaxis.commands.conduct_load import ConductedLoad
from docaxis.commands.load_end import conclude
from docaxis.commands.load_test import prepare
from docaxis.domain.agency import Registry
from docaxis.domain.plan import first_plan
from docaxis.settings import Settings
from monitor.objective_series import ObjectiveSeries
from monitor.reading import GENERATOR, Reading, Readings
from monitor.series import Series

SECOND = 1_000_000
CONTENT = {
    "name": "short",
    "phases": [{"name": "load", "duration": "10 s", "rate": "48 documents/s"}],
    "faults": [{"kind": "duplicate", "count": 5000}, {"kind": "paused-hub", "lasts": "1 s"}],
}
ASKED = ["fault duplicate: 5,000 asked for, 480 injected", "fault paused-hub: 1 asked for, 0 injected"]


@pytest.mark.parametrize(
    ("controls", "aborted", "told"),
    [
        ([], "", ASKED),
        (["pause", "resume"], "", ASKED),
        (["rate"], "", []),
        (["end-phase"], "", []),
        (["pause", "stop"], "", []),
        ([], "objective 'fast' was missed for 10 seconds on end", []),
    ],
)
def test_what_was_asked_is_injected_unless_the_run_was_cut_short(
    controls: list[str], aborted: str, told: list[str], tmp_path: Path
) -> None:
    test = prepare("short", content=CONTENT)
    readings = Readings()
    counts: dict[str, Any] = {"fault_duplicate": 480, "fault_duplicate_deliveries": 0}
    readings.put(Reading(1, test.run, GENERATOR, 0, 1, 1, "fleet-0", counts=counts))
    conducted = ConductedLoad(
        readings=readings,
        plan=first_plan(test.run, SECOND, [("load", "load", 10 * SECOND, True, False)]),
        series=Series(test.run),
        observed=ObjectiveSeries((), Registry.load()),
        drained=True,
        lost_after_passed=False,
        wall_seconds=10.0,
        peak_rss_bytes={},
        cpu_seconds={},
        faults=[],
        ready={},
        controls=[{"at_us": SECOND, "verb": verb, "value": ""} for verb in controls],
        aborted=aborted,
        unreadable=0,
    )
    finished = conclude(Settings(), test, conducted, SECOND, tmp_path)
    assert [one for one in finished.result["faults"] if one.startswith("fault ")] == told
    assert finished.exit_code == int(bool(told or aborted))
