"""The HTTP side of a process: /metrics for Prometheus, /healthz and /readyz for whoever supervises it.

Runs in the event loop of the role it belongs to. A page is made in one go, because everything in it is of one moment,
and at most so often: scrapes that come closer together get the same one, so that no number of readers can slow the
role down.
"""

import errno
import gzip
import ipaddress
import socket
from collections.abc import Callable, Iterable

from aiohttp import web

from docaxis.domain.clock import Clock, SystemClock
from docaxis.domain.errors import InfrastructureError
from monitor.metrics import Metrics
from monitor.text_format import content_type, wants_openmetrics

#: How long a page is served again before a new one is made.
PAGE_NS = 100_000_000

#: Fast: a page shrinks to a tenth anyway, and the time is the event loop's.
_GZIP_LEVEL = 1


class Exposition:
    """One process's HTTP endpoints."""

    def __init__(
        self,
        metrics: Metrics,
        ready: Callable[[], bool],
        health: Callable[[], str | None],
        host: str = "127.0.0.1",
        port: int = 0,
        clock: Clock | None = None,
        page_ns: int = PAGE_NS,
        routes: Iterable[web.RouteDef] = (),
        standing: Callable[[], str | None] = lambda: None,
    ) -> None:
        """Serve `metrics` at `host`:`port` (0: a free one), and the `routes` of the role's own beside them.

        `ready` tells whether the role does its work yet, `standing` why it no longer does, and `health` what is wrong
        with the process itself, so that nothing but a restart helps; None if nothing is.
        """
        self._routes = tuple(routes)
        self._metrics = metrics
        self._ready = ready
        self._health = health
        self._standing = standing
        self._host = host
        self._port = port
        self._clock = clock or SystemClock()
        self._page_ns = page_ns
        self._pages: dict[tuple[bool, bool], tuple[int, bytes]] = {}  # (openmetrics, gzip) -> made at, page
        self._runner: web.AppRunner | None = None

    @property
    def port(self) -> int:
        """The port listened on; that asked for before `start`."""
        return int(self._runner.addresses[0][1]) if self._runner is not None else self._port

    @property
    def url(self) -> str:
        """Where the endpoints are, for others too: of a host with many addresses, the one its own name has."""
        host = _own_address() if _is_every_address(self._host) else self._host
        host = f"[{host}]" if ":" in host else host
        return f"http://{host}:{self.port}"

    def routes(self) -> list[web.RouteDef]:
        """Return the endpoints, for an application that serves more than them."""
        return [
            web.get("/metrics", self._serve_metrics),
            web.get("/healthz", self._serve_health),
            web.get("/readyz", self._serve_readiness),
        ]

    async def start(self) -> None:
        """Listen.

        Raises:
            InfrastructureError: the port or the address cannot be had.
        """
        app = web.Application()
        app.add_routes([*self.routes(), *self._routes])
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0)
        await runner.setup()
        try:
            await web.TCPSite(runner, self._host, self._port).start()
        except OSError as error:
            await runner.cleanup()
            raise _no_listener(self._host, self._port, error) from error
        self._runner = runner

    async def stop(self) -> None:
        """Stop listening; what is being answered has a second."""
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    async def _serve_metrics(self, request: web.Request) -> web.Response:
        openmetrics = wants_openmetrics(",".join(request.headers.getall("Accept", ())))
        compressed = _accepts_gzip(",".join(request.headers.getall("Accept-Encoding", ())))
        headers = {"Content-Type": content_type(openmetrics=openmetrics), "Vary": "Accept, Accept-Encoding"}
        if compressed:
            headers["Content-Encoding"] = "gzip"
        return web.Response(body=self._page(openmetrics, compressed), headers=headers)

    def _page(self, openmetrics: bool, compressed: bool) -> bytes:
        now_ns = self._clock.monotonic_ns()
        made_ns, page = self._pages.get((openmetrics, compressed), (0, b""))
        if not page or now_ns - made_ns >= self._page_ns:
            page = self._page(openmetrics, False) if compressed else self._metrics.page(openmetrics=openmetrics)
            if compressed:
                page = gzip.compress(page, _GZIP_LEVEL, mtime=0)
            self._pages[openmetrics, compressed] = (now_ns, page)
        return page

    async def _serve_health(self, request: web.Request) -> web.Response:
        fault = self._health()
        return web.Response(text="ok\n") if fault is None else web.Response(status=503, text=f"{fault}\n")

    async def _serve_readiness(self, request: web.Request) -> web.Response:
        fault = self._health()
        if fault is None:
            fault = self._standing() if self._ready() else "not ready yet"
        return web.Response(text="ready\n") if fault is None else web.Response(status=503, text=f"{fault}\n")


def _is_every_address(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_unspecified
    except ValueError:  # a name
        return False


def _own_address() -> str:
    """Return the address that this machine's (or container's) own name leads to; loopback where it leads nowhere."""
    try:
        return socket.gethostbyname(socket.gethostname())
    except OSError:
        return "127.0.0.1"


def _accepts_gzip(accept_encoding: str) -> bool:
    offers = (offer.replace(" ", "").lower().split(";") for offer in accept_encoding.split(","))
    return any(offer[0] in ("gzip", "*") and "q=0" not in offer[1:] for offer in offers)


def _no_listener(host: str, port: int, error: OSError) -> InfrastructureError:
    if error.errno == errno.EADDRINUSE:
        return InfrastructureError(
            f"port {port} on {host}, for /metrics and /healthz, is taken by another process",
            next_step="stop what listens there (`ss -ltnp` names it), or give another port; 0 finds a free one",
        )
    return InfrastructureError(
        f"cannot listen on {host} port {port} for /metrics and /healthz: {error.strerror or error}",
        next_step="give an address of this machine and a port that this user may open (1024 or above, or 0)",
    )
