"""The page's HTTP side: its files, the stream of events, what is asked on a click, controls for who has the token."""

import asyncio
import contextlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson
from aiohttp import web

from docaxis.domain.clock import Clock
from monitor.live.board import Board
from monitor.live.csv_text import missing_notes, open_deliveries_csv
from monitor.live.extras import Extras
from monitor.live.files import PageFile, page_files
from monitor.live.workers import NoAnswerError, Workers
from monitor.web_guard import add_headers, guard

#: Rows of a list on the page, and of a file to download.
ROWS_MAX, FILE_ROWS_MAX = 500, 5_000

#: What a viewer may hold open without taking anything.
WRITE_WITHIN_S = 20.0


@dataclass(frozen=True, slots=True)
class PageServer:
    """The routes of the live page."""

    board: Board
    workers: Workers
    extras: Extras
    clock: Clock
    registry: bytes  # JSON
    token: str = ""  # without one there are no controls
    allowed_hosts: tuple[str, ...] = ()
    files: Mapping[str, PageFile] = field(default_factory=page_files)

    def application(self, more: list[web.RouteDef]) -> web.Application:
        """Return the application, with routes of others beside its own."""
        app = web.Application(middlewares=[guard(self.allowed_hosts)], client_max_size=64 * 1024)
        app.on_response_prepare.extend((add_headers, _store_nothing))
        app.add_routes(
            [
                *(web.get(path, self._file) for path in self.files),
                web.get("/api/events", self._events),
                web.get("/api/registry", self._registry),
                web.get("/api/series", self._series),
                web.get("/api/open", self._open),
                web.get("/api/open.csv", self._open_csv),
                web.get("/api/document", self._document),
                web.post("/api/control/{name}", self._control),
                *more,
            ]
        )
        return app

    async def _file(self, request: web.Request) -> web.Response:
        file = self.files[request.path]
        headers = {"ETag": file.etag, "Cache-Control": "no-cache", "Vary": "Accept-Encoding"}
        if request.headers.get("If-None-Match") == file.etag:
            return web.Response(status=304, headers=headers)
        headers["Content-Type"] = file.content_type
        if "gzip" in request.headers.get("Accept-Encoding", ""):
            return web.Response(body=file.packed, headers=headers | {"Content-Encoding": "gzip"})
        return web.Response(body=file.body, headers=headers)

    async def _registry(self, request: web.Request) -> web.Response:
        return web.Response(body=self.registry, content_type="application/json")

    async def _events(self, request: web.Request) -> web.StreamResponse:
        viewer = self.board.viewers.admit(request.query.get("run", "")[:64])
        if viewer is None:
            return _json({"error": "too many pages are open"}, 503, {"Retry-After": "10"})
        headers = {"Content-Type": "text/event-stream", "X-Accel-Buffering": "no"}
        response = web.StreamResponse(headers=headers)
        try:
            await response.prepare(request)
            await response.write(b"retry: 2000\n\n")
            while True:
                data = await viewer.take()
                await asyncio.wait_for(response.write(data), WRITE_WITHIN_S)
        except (ConnectionError, TimeoutError):
            return response
        finally:
            self.board.viewers.leave(viewer)

    async def _series(self, request: web.Request) -> web.Response:
        rows = self.board.series(request.query.get("run", ""), request.query.get("range", ""))
        return _json({"points": rows}) if rows is not None else _json({"error": "no such run or range"}, 404)

    async def _asked_open(self, request: web.Request, limit: int) -> dict[str, Any]:
        asked = {name: request.query.get(name, "")[:64] for name in ("recipient", "sender", "stage", "before_us")}
        return await self.workers.open_deliveries(request.query.get("run", ""), asked, limit)

    async def _open(self, request: web.Request) -> web.Response:
        try:
            return _json(await self._asked_open(request, ROWS_MAX) | {"now_us": self.clock.wall_us()})
        except NoAnswerError as error:
            return _json({"error": "no_answer", "who": str(error)}, 503)

    async def _open_csv(self, request: web.Request) -> web.Response:
        try:
            found = await self._asked_open(request, FILE_ROWS_MAX)
        except NoAnswerError as error:
            return _json({"error": "no_answer", "who": str(error)}, 503)
        text = open_deliveries_csv(found["rows"], self.clock.wall_us(), missing_notes(found))
        headers = {"Content-Disposition": 'attachment; filename="open-deliveries.csv"'}
        return web.Response(text=text, content_type="text/csv", charset="utf-8", headers=headers)

    async def _document(self, request: web.Request) -> web.Response:
        document_id = request.query.get("id", "").strip()
        if not 0 < len(document_id) <= 128:
            return _json({"error": "an id has 1 to 128 characters"}, 400)
        try:
            return _json(await self.workers.journey(request.query.get("run", ""), document_id))
        except NoAnswerError as error:
            return _json({"error": "no_answer", "who": str(error)}, 503)

    async def _control(self, request: web.Request) -> web.Response:
        """Do what a control says, for who shows the token; no other answer tells whether there is one."""
        shown = request.headers.get("Authorization", "").removeprefix("Bearer ").encode()
        if not self.token or not hmac.compare_digest(shown, self.token.encode()):
            return _json({"error": "token"}, 403)
        value = None
        with contextlib.suppress(orjson.JSONDecodeError, TypeError):
            body = orjson.loads(await request.read())
            value = body.get("value") if isinstance(body, dict) else None
        if value is not None and not isinstance(value, int | float):
            return _json({"error": "value is no number"}, 400)
        try:
            await self.extras.control(request.query.get("run", "")[:64], request.match_info["name"], value)
        except ValueError as error:
            return _json({"error": str(error)}, 400)
        return _json({"done": True})


def _json(body: object, status: int = 200, headers: Mapping[str, str] | None = None) -> web.Response:
    return web.Response(body=orjson.dumps(body), status=status, content_type="application/json", headers=headers)


async def _store_nothing(request: web.Request, response: web.StreamResponse) -> None:
    """Let no browser or proxy store an answer of the interface, errors too: an old one would look like a new one."""
    if request.path.startswith("/api/"):
        response.headers["Cache-Control"] = "no-store"
