"""A real Alertmanager with the shipped configuration: which alerts it holds back while a role is down."""

import asyncio
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import yaml

from tests.support.monitoring import ALERTMANAGER, PROMETHEUS, Monitoring

ROOT = Path(__file__).parents[2]

pytestmark = [
    pytest.mark.skipif(
        PROMETHEUS is None or ALERTMANAGER is None, reason="Prometheus and Alertmanager are not on PATH"
    ),
    pytest.mark.slow,
    pytest.mark.timeout(300),
]


def _alert(name: str, **labels: str) -> dict[str, Any]:
    return {"labels": {"alertname": name, **labels}}


@pytest.mark.parametrize(("component", "held_back"), [("hub", {"hub"}), ("canary", set[str]())])
def test_a_role_that_is_down_holds_back_the_page_of_its_own_kind_alone(
    component: str, held_back: set[str], tmp_path: Path
) -> None:
    config = yaml.safe_load((ROOT / "deploy/alertmanager/alertmanager.yml").read_text(encoding="utf-8"))
    posted = [
        _alert("DocaxisRoleDown", component=component, severity="page"),
        *(_alert("DocaxisPartitionsUnowned", component=one, severity="page") for one in ("hub", "stream")),
    ]

    async def run() -> None:
        async with Monitoring(tmp_path, [], config) as monitoring, aiohttp.ClientSession() as session:
            url = f"{monitoring.alertmanager_url}/api/v2/alerts"
            async with session.post(url, json=posted) as answer:
                assert answer.status == 200, await answer.text()
            found: dict[str, set[str]] = {"active": set(), "suppressed": set()}

            async def all_judged() -> bool:
                async with session.get(url) as answer:
                    alerts = await answer.json()
                found.update(active=set(), suppressed=set())
                for one in alerts:
                    if one["labels"]["alertname"] == "DocaxisPartitionsUnowned":
                        found.setdefault(one["status"]["state"], set()).add(one["labels"]["component"])
                return found == {"active": {"hub", "stream"} - held_back, "suppressed": held_back}

            await monitoring.until(all_judged, lambda: f"Alertmanager judged {found}")

    asyncio.run(run())
