"""What every page and answer of ours carries and asks: headers that leave a browser no room, and an honest Host.

A page on the Internet may make a browser ask 127.0.0.1 under a name of its own (DNS rebinding). Such a request carries
that name as its Host, so only addresses, `localhost` and names that the operator gave are answered.
"""

import ipaddress
from collections.abc import Awaitable, Callable, Collection

from aiohttp import web
from aiohttp.typedefs import Middleware

#: No script, style or connection but our own files, and no frame around the page.
CONTENT_SECURITY_POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' data:",
        "connect-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    )
)
HEADERS = {
    "Server": "docaxis",
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "X-Frame-Options": "DENY",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}


def host_is_ours(host: str, names: Collection[str] = ()) -> bool:
    """Whether a Host header is an address, `localhost` or one of `names`, whatever its port."""
    name = host.strip().lower()
    if name.startswith("["):
        name = name[1:].partition("]")[0]
    elif name.count(":") == 1:
        name = name.partition(":")[0]
    if name == "localhost" or name in names:
        return True
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def guard(names: Collection[str] = ()) -> Middleware:
    """Return the middleware of an application that serves people."""
    lowered = frozenset(name.lower() for name in names)

    @web.middleware
    async def guarded(
        request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        if not host_is_ours(request.headers.get("Host", ""), lowered):
            raise web.HTTPMisdirectedRequest(text="This address is not served under that name; see --allow-host.\n")
        return await handler(request)

    return guarded


async def add_headers(request: web.Request, response: web.StreamResponse) -> None:
    """Give every answer the headers, errors too; to be appended to an application's `on_response_prepare`."""
    for name, value in HEADERS.items():
        response.headers[name] = value
