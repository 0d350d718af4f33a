"""The page, served from a thread of its own that never keeps the scoring waiting.

The loop that scores leaves what it published in a queue and goes on; this side reads it,
a few times a second, and tells every open page what is new (server-sent events). Commands
from the page go the other way and are taken like those that come over MQTT, so that there
is one set of rules, one reply and one audit log.
"""

import asyncio
import hmac
import itertools
import logging
import threading
import time
from collections import deque
from collections.abc import Sequence
from importlib.resources import files
from types import TracebackType
from typing import Any, Self

import msgspec
from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from edge_anomaly.adapters.metrics import exposition
from edge_anomaly.errors import ConfigError
from edge_anomaly.traces import Traces
from edge_anomaly.values import Message, Publish
from edge_anomaly.wall import Wall

__all__ = ["WebPage"]

log = logging.getLogger(__name__)

TICK_S = 0.25  # how often pages are told what is new
ALIVE_S = 15.0  # without a round of the service, it hangs
KEEP_ALIVE_S = 15.0
ANSWER_S = 5.0  # how long a command may wait for its reply
INBOX = 200_000  # messages that may wait for us; beyond it the oldest are passed over
BEHIND = 40  # ticks that a slow page may lag before it has to begin anew
PAGES = 24  # open at once
TYPES = {"html": "text/html", "js": "text/javascript", "css": "text/css", "svg": "image/svg+xml"}
ASSETS = ("index.html", "page.js", "style.css", "icon.svg", "uplot.min.js", "uplot.min.css")
HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
        "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "X-Frame-Options": "DENY",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}
LOOPBACK = {"127.0.0.1", "localhost", "::1"}


class WebPage:
    """A `Bystander` that shows what it hears; starts with `with`."""

    def __init__(
        self, listen: tuple[str, int], wall: Wall, traces: Traces, *, token: str | None = None
    ) -> None:
        """Make ready.

        Args:
            listen: Host and port; port 0 is any that is free.
            wall: What is shown.
            traces: The signals of each device.
            token: That a command must bring; None: the page only shows.
        """
        self._host, self._port = listen
        self._wall = wall
        self._traces = traces
        self._token = token
        self._assets = {
            name: files("edge_anomaly").joinpath("page", name).read_bytes() for name in ASSETS
        }
        self._inbox: deque[Publish] = deque(maxlen=INBOX)
        self._asked: deque[Message] = deque()
        self._awaited: dict[str, asyncio.Future[dict[str, Any]]] = {}
        self._numbers = itertools.count(1)
        self._pages: set[asyncio.Queue[bytes]] = set()
        self._round_at = time.monotonic()
        self._started = threading.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop: asyncio.Event | None = None
        self._failure: OSError | None = None
        self._thread = threading.Thread(target=self._run, name="web", daemon=True)
        self.address = ""

    def __enter__(self) -> Self:
        """Listen.

        Raises:
            ConfigError: That is not possible there.
        """
        self._thread.start()
        self._started.wait()
        if self._failure is not None:
            raise ConfigError(f"web: cannot listen on {self._host}:{self._port}: {self._failure}")
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._loop is not None and self._stop is not None:
            self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(timeout=ANSWER_S)

    def asked(self) -> list[Message]:
        """Commands from the page, for the next turn."""
        found = []
        while self._asked:
            found.append(self._asked.popleft())
        return found

    def heard(self, said: Sequence[Publish], _now_ns: int) -> list[Publish]:
        """Take what the agent has said; nothing is added."""
        self._round_at = time.monotonic()
        self._inbox.extend(said)
        return []

    # From here on all is in the thread.

    def _run(self) -> None:
        try:
            asyncio.run(self._serve())
        except OSError as exc:
            self._failure = exc
        finally:
            self._started.set()

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._stop = asyncio.Event()
        app = web.Application(middlewares=[_guard(self._host)], client_max_size=16 << 10)
        app.add_routes(
            [
                web.get("/", self._index),
                web.get("/events", self._events),
                web.get("/api/devices/{device}", self._device),
                web.post("/api/cmd/{verb}", self._command),
                web.get("/healthz", self._healthz),
                web.get("/readyz", self._readyz),
                web.get("/metrics", self._metrics),
                web.get("/{name}", self._asset),
            ]
        )
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.2)
        await runner.setup()
        site = web.TCPSite(runner, self._host, self._port)
        try:
            await site.start()
            host, port = runner.addresses[0][:2]
            self.address = f"http://{f'[{host}]' if ':' in host else host}:{port}"
            self._started.set()
            await self._tick()
        finally:
            await runner.cleanup()

    async def _tick(self) -> None:
        while self._stop is not None and not self._stop.is_set():
            self._tell()
            try:
                await asyncio.wait_for(self._stop.wait(), TICK_S)
            except TimeoutError:
                continue
        for page in self._pages:
            if not page.full():
                page.put_nowait(b"")

    def _tell(self) -> None:
        """Every open page what is new."""
        self._take()
        news = self._wall.delta()
        if news is None or not self._pages:
            return
        data = _event("new", news)
        for page in list(self._pages):
            if page.full():
                self._pages.discard(page)  # it begins anew when it reconnects
            else:
                page.put_nowait(data)

    def _take(self) -> None:
        while self._inbox:
            item = self._inbox.popleft()
            try:
                self._wall.take(item)
            except (msgspec.MsgspecError, KeyError, ValueError) as exc:
                log.debug("not shown: %s: %s", item.topic, exc)
        for reply in self._wall.replies:
            waiting = self._awaited.pop(reply.get("id") or "", None)
            if waiting is not None and not waiting.done():
                waiting.set_result(reply)
        self._wall.replies.clear()

    async def _index(self, _request: web.Request) -> web.Response:
        return _file("index.html", self._assets["index.html"])

    async def _asset(self, request: web.Request) -> web.Response:
        name = request.match_info["name"]
        if name not in self._assets:
            raise web.HTTPNotFound
        return _file(name, self._assets[name])

    async def _events(self, request: web.Request) -> web.StreamResponse:
        if len(self._pages) >= PAGES:
            raise web.HTTPServiceUnavailable(text="too many pages are open")
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream", **HEADERS})
        await response.prepare(request)
        self._tell()  # so that what comes next is not in `everything` as well
        page: asyncio.Queue[bytes] = asyncio.Queue(BEHIND)
        everything = self._wall.everything() | {"commands": self._token is not None}
        self._pages.add(page)
        await response.write(b"retry: 2000\n\n" + _event("all", everything))
        try:
            while page in self._pages:
                try:
                    data = await asyncio.wait_for(page.get(), KEEP_ALIVE_S)
                except TimeoutError:
                    data = b": still here\n\n"
                if not data:
                    break
                await response.write(data)
        except ConnectionError:
            pass  # the page is closed
        finally:
            self._pages.discard(page)
        return response

    async def _device(self, request: web.Request) -> web.Response:
        name = request.match_info["device"]
        self._take()
        found = self._wall.device(name)
        if found is None:
            raise web.HTTPNotFound
        return _json(found | {"trace": self._traces.device(name)})

    async def _command(self, request: web.Request) -> web.Response:
        if self._token is None:
            raise web.HTTPForbidden(text="this page only shows: `web.commands` is not set")
        given = request.headers.get("Authorization", "").removeprefix("Bearer ")
        if not hmac.compare_digest(given.encode(), self._token.encode()):
            raise web.HTTPUnauthorized
        if request.content_type != "application/json":
            raise web.HTTPUnsupportedMediaType
        try:
            body = msgspec.json.decode(await request.read(), type=dict[str, Any])
        except (msgspec.MsgspecError, RecursionError) as exc:
            raise web.HTTPBadRequest(text=str(exc)) from exc
        name = f"web-{next(self._numbers)}-{time.monotonic_ns()}"
        answer = asyncio.get_running_loop().create_future()
        self._awaited[name] = answer
        topic = f"{self._wall.base}/cmd/{request.match_info['verb']}"
        self._asked.append(Message(topic, msgspec.json.encode({**body, "id": name})))
        try:
            return _json(await asyncio.wait_for(answer, ANSWER_S))
        except TimeoutError as exc:
            raise web.HTTPGatewayTimeout(text="the agent did not answer in time") from exc
        finally:
            self._awaited.pop(name, None)

    async def _healthz(self, _request: web.Request) -> web.Response:
        silent_s = time.monotonic() - self._round_at
        alive = silent_s < ALIVE_S
        body = {"status": "ok" if alive else "hanging", "round_age_s": round(silent_s, 1)}
        return _json(body, status=200 if alive else 503)

    async def _readyz(self, _request: web.Request) -> web.Response:
        self._take()
        ready = self._wall.status == "online" and self._wall.health.get("connected", True)
        body = {"status": self._wall.status, "connected": self._wall.health.get("connected")}
        return _json(body, status=200 if ready else 503)

    async def _metrics(self, _request: web.Request) -> web.Response:
        self._take()
        content, kind = exposition(self._wall)
        return web.Response(body=content, headers={"Content-Type": kind})


def _guard(host: str) -> Middleware:
    """Security headers on every answer; and on loopback no other name than loopback's.

    A foreign page that has its own name resolve to 127.0.0.1 would otherwise read ours.
    """

    @web.middleware
    async def guard(request: web.Request, handler: Handler) -> web.StreamResponse:
        name = (request.host or "").rsplit(":", 1)[0].strip("[]")
        if host in LOOPBACK and name not in LOOPBACK:
            return web.Response(status=421, text="not the name of this page", headers=HEADERS)
        try:
            response = await handler(request)
        except web.HTTPException as exc:
            exc.headers.update(HEADERS)
            raise
        if not response.prepared:
            response.headers.update(HEADERS)
        return response

    return guard


def _file(name: str, content: bytes) -> web.Response:
    kind = TYPES[name.rsplit(".", 1)[1]]
    return web.Response(body=content, content_type=kind, charset="utf-8")


def _json(body: object, *, status: int = 200) -> web.Response:
    content = msgspec.json.encode(body)
    return web.Response(body=content, status=status, content_type="application/json")


def _event(name: str, body: object) -> bytes:
    return b"event: " + name.encode() + b"\ndata: " + msgspec.json.encode(body) + b"\n\n"
