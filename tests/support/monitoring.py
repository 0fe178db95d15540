"""A real Prometheus and a real Alertmanager beside an exchange, and a receiver of what they call somebody for."""

import asyncio
import contextlib
import math
import shutil
import urllib.parse
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple, Self

import aiohttp
import orjson
import yaml
from aiohttp import web

from docaxis.kafka.ports import find_free_ports

PROMETHEUS = shutil.which("prometheus")
ALERTMANAGER = shutil.which("prometheus-alertmanager") or shutil.which("alertmanager")

#: Bound of each wait, for a machine that is busy with other things.
WITHIN_S = 240.0


class Sample(NamedTuple):
    """One series of an answer."""

    labels: Mapping[str, str]
    value: float


class Monitoring:
    """Scrapes roles once a second, judges rules, and hands alerts on to a webhook of the test's own."""

    def __init__(self, folder: Path, rule_groups: list[dict[str, Any]], alertmanager: dict[str, Any]) -> None:
        """`alertmanager` is a configuration; its receiver "page" is given the webhook."""
        self._folder = folder
        self._rules = rule_groups
        self._alertmanager = alertmanager
        self._processes: list[asyncio.subprocess.Process] = []
        self._stack = contextlib.AsyncExitStack()
        #: (status, alert name) of every notification, in order.
        self.notified: list[tuple[str, str]] = []

    async def __aenter__(self) -> Self:
        self._folder.mkdir(parents=True, exist_ok=True)
        prometheus, alertmanager, hook = find_free_ports(3, self._folder)
        self.url = f"http://127.0.0.1:{prometheus}"
        self.alertmanager_url = f"http://127.0.0.1:{alertmanager}"
        self._session = await self._stack.enter_async_context(aiohttp.ClientSession())
        self._stack.push_async_callback(self._end)
        await self._listen(hook)
        for receiver in self._alertmanager["receivers"]:
            if receiver["name"] == "page":
                receiver["webhook_configs"] = [{"url": f"http://127.0.0.1:{hook}/", "send_resolved": True}]
        self._write("alertmanager.yml", self._alertmanager)
        self._write("rules.yml", {"groups": self._rules})
        self._write("prometheus.yml", self._configuration(alertmanager))
        self.scrape({})
        await self._run(
            "alertmanager", str(ALERTMANAGER), "--config.file=alertmanager.yml", "--storage.path=alertmanager",
            f"--web.listen-address=127.0.0.1:{alertmanager}", "--cluster.listen-address=",
        )  # fmt: skip
        await self._run(
            "prometheus", str(PROMETHEUS), "--config.file=prometheus.yml", "--storage.tsdb.path=prometheus",
            f"--web.listen-address=127.0.0.1:{prometheus}",
        )  # fmt: skip
        for url in (self.url, self.alertmanager_url):
            await self.until(lambda url=url: self._is_ready(url), lambda url=url: f"{url} did not become ready")  # type: ignore[misc]
        return self

    async def __aexit__(self, *failure: Any) -> None:
        if failure[1] is not None:
            for log in sorted(self._folder.glob("*.log")):
                lines = log.read_text(errors="replace").splitlines()[-6:]
                failure[1].add_note("\n".join(f"  {log.name}: {line}" for line in lines))
        await self._stack.aclose()

    def _configuration(self, alertmanager: int) -> dict[str, Any]:
        return {
            "global": {"scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "1s"},
            "rule_files": ["rules.yml"],
            "alerting": {"alertmanagers": [{"static_configs": [{"targets": [f"127.0.0.1:{alertmanager}"]}]}]},
            "scrape_configs": [{"job_name": "docaxis", "file_sd_configs": [{"files": ["targets.json"]}]}],
        }

    def scrape(self, roles: Mapping[str, str]) -> None:
        """Scrape these roles (name to address) from now on."""
        targets = [
            {"targets": [urllib.parse.urlsplit(url).netloc], "labels": {"role": name}} for name, url in roles.items()
        ]
        file = self._folder / "targets.json"
        fresh = file.with_suffix(".new")
        fresh.write_bytes(orjson.dumps(targets))
        fresh.rename(file)

    async def query(self, expr: str) -> list[Sample]:
        """Ask Prometheus for a query's value of now; series that are no number are left out."""
        async with self._session.get(f"{self.url}/api/v1/query", params={"query": expr}) as answer:
            content = await answer.json()
        assert content["status"] == "success", f"{expr}: {content}"
        result = content["data"]["result"]
        samples = [Sample(one["metric"], float(one["value"][1])) for one in result]
        return [sample for sample in samples if not math.isnan(sample.value)]

    async def value(self, expr: str) -> float:
        """Return the sum of a query's series, 0 if there is none."""
        return sum(sample.value for sample in await self.query(expr))

    async def active(self) -> set[str]:
        """Return the names of the alerts that Alertmanager has now."""
        async with self._session.get(f"{self.alertmanager_url}/api/v2/alerts", params={"active": "true"}) as answer:
            return {one["labels"]["alertname"] for one in await answer.json()}

    async def until(self, holds: Callable[[], Awaitable[bool]], complaint: Callable[[], str]) -> None:
        """Wait until something holds; the message of the failure says what was found."""
        try:
            async with asyncio.timeout(WITHIN_S):
                while not await holds():  # noqa: ASYNC110  # what is waited for is in other processes
                    await asyncio.sleep(0.5)
        except TimeoutError:
            raise AssertionError(f"{complaint()} within {WITHIN_S:.0f} s") from None

    # --- processes

    def _write(self, name: str, content: object) -> None:
        (self._folder / name).write_text(yaml.safe_dump(content, allow_unicode=True), encoding="utf-8")

    async def _run(self, name: str, *command: str) -> None:
        with (self._folder / f"{name}.log").open("wb") as log:
            self._processes.append(
                await asyncio.create_subprocess_exec(*command, cwd=self._folder, stdout=log, stderr=log)
            )

    async def _is_ready(self, url: str) -> bool:
        for process in self._processes:
            assert process.returncode is None, "Prometheus or Alertmanager has ended; see its log"
        try:
            async with self._session.get(f"{url}/-/ready") as answer:
                return answer.status == 200
        except aiohttp.ClientError:
            return False

    async def _listen(self, port: int) -> None:
        async def note(request: web.Request) -> web.Response:
            for one in (await request.json())["alerts"]:
                self.notified.append((one["status"], one["labels"]["alertname"]))
            return web.Response()

        app = web.Application()
        app.router.add_post("/", note)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0)
        await runner.setup()
        self._stack.push_async_callback(runner.cleanup)
        await web.TCPSite(runner, "127.0.0.1", port).start()

    async def _end(self) -> None:
        for process in self._processes:
            if process.returncode is None:
                process.terminate()
        for process in self._processes:
            try:
                await asyncio.wait_for(process.wait(), 30)
            except TimeoutError:
                process.kill()
                await process.wait()
