"""Which processes a load test starts, and what each is told."""

from typing import Any

import pytest

from docaxis.commands.load_test import LoadTest, prepare

OPEN = {"name": "load", "duration": "5 s", "rate": "10 documents/s"}
CLOSED = {"name": "load", "duration": "5 s", "arrivals": "closed", "in_flight": 10}


def _test(phase: dict[str, Any], fleets: int = 2, external: int = 0, **more: Any) -> LoadTest:
    content = {"name": "roles", "phases": [phase], **more}
    return prepare("roles", content=content, fleets=fleets, external_fleets=external)


def test_as_many_receive_as_send_each_its_share() -> None:
    test = _test(OPEN)
    started = [*test.processors(), *test.fleet_roles()]
    assert [role.name for role in started] == ["hub", "stream", "receivers-0", "receivers-1", "fleet-0", "fleet-1"]
    for role in started[2:]:
        number = int(role.name.rpartition("-")[2]) + 1
        only = "--no-send" if role.name.startswith("receivers") else "--no-receive"
        assert list(role.arguments) == ["fleet", "--join", "--run", test.run, "--share", f"{number}/2", only]


@pytest.mark.parametrize(
    "test",
    [_test(CLOSED), _test(OPEN, external=1), _test(OPEN, receipts={"life_cycle": True})],
    ids=["closed", "other-machines", "life-cycle"],
)
def test_where_receivers_belong_to_senders_each_fleet_is_both(test: LoadTest) -> None:
    assert [role.name for role in test.processors()] == ["hub", "stream"]
    assert [role.name for role in test.fleet_roles()] == ["fleet-0", "fleet-1"]
    assert not any("--no-receive" in role.arguments for role in test.fleet_roles())
