"""What the page's server says to whoever asks, without a browser."""

import contextlib
import http.client
import json
import socket
import threading
import time
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
from page_server import BASE, Stage, staged

from edge_anomaly.adapters import web as adapter
from edge_anomaly.adapters.web import WebPage
from edge_anomaly.errors import ConfigError
from edge_anomaly.traces import Traces
from edge_anomaly.values import Publish
from edge_anomaly.wall import Wall

SCORE = b'{"ts_ms": 1, "score": 0.5, "threshold": 1.0}'
Answer = tuple[int, dict[str, str], bytes]


def ask(stage: Stage, path: str, method: str = "GET", body: bytes = b"", **headers: str) -> Answer:
    host, port = stage.page.address.removeprefix("http://").rsplit(":", 1)
    connection = http.client.HTTPConnection(host, int(port), timeout=10)
    with contextlib.closing(connection):
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        connection.request(method, path, body, named)
        response = connection.getresponse()
        return response.status, dict(response.getheaders()), response.read()


def command(stage: Stage, body: object, token: str = "t", **headers: str) -> Answer:  # noqa: S107 - made up here
    headers = {"Authorization": f"Bearer {token}", "Content_Type": "application/json"} | headers
    return ask(stage, "/api/cmd/ack", "POST", json.dumps(body).encode(), **headers)


@contextlib.contextmanager
def answering(stage: Stage) -> Iterator[list[Any]]:
    """The agent's side: every command is answered."""
    taken: list[Any] = []
    stop = threading.Event()

    def serve() -> None:
        while not stop.wait(0.01):
            for message in stage.page.asked():
                taken.append(message)
                name = msgspec.json.decode(message.payload)["id"]
                stage.say("reply/ack", {"id": name, "status": "ok", "verb": "ack"})

    thread = threading.Thread(target=serve)
    thread.start()
    yield taken
    stop.set()
    thread.join()


@pytest.mark.parametrize("path", ["/", "/page.js", "/style.css", "/uplot.min.js", "/icon.svg"])
def test_every_file_is_there_and_comes_with_safe_headers(path: str) -> None:
    with staged() as stage:
        status, headers, body = ask(stage, path)
    assert (status, bool(body)) == (200, True)
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["X-Frame-Options"] == "DENY"
    assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]
    assert "unsafe" not in headers["Content-Security-Policy"]


@pytest.mark.parametrize("path", ["/nothing", "/api/devices/x-9", "/../wall.py", "/uplot.LICENSE"])
def test_what_is_not_there_is_not_found_with_the_same_headers(path: str) -> None:
    with staged() as stage:
        status, headers, _ = ask(stage, path)
    assert status == 404
    assert headers["X-Frame-Options"] == "DENY"


def test_another_name_for_loopback_is_refused() -> None:
    with staged() as stage:
        assert ask(stage, "/", Host="evil.example")[0] == 421
        assert ask(stage, "/", Host="localhost:1")[0] == 200


def test_a_page_without_a_token_only_shows() -> None:
    with staged() as stage:
        assert command(stage, {"device": "m-001"})[0] == 403
        assert stage.page.asked() == []


def test_a_command_needs_the_token_and_json() -> None:
    with staged(token="t") as stage:  # noqa: S106 - of this test
        assert command(stage, {"device": "m-001"}, token="u")[0] == 401  # noqa: S106 - likewise
        assert command(stage, {"device": "m-001"}, token="")[0] == 401
        assert command(stage, {"device": "m-001"}, Content_Type="text/plain")[0] == 415
        assert command(stage, [1])[0] == 400
        assert command(stage, {"device": "x" * 20_000})[0] == 413
        assert stage.page.asked() == []


def test_a_command_is_taken_like_one_over_mqtt_and_its_reply_comes_back() -> None:
    with staged(token="t") as stage, answering(stage) as taken:  # noqa: S106 - of this test
        status, _, body = command(stage, {"device": "m-001", "id": "mine"})
    assert status == 200
    assert json.loads(body)["status"] == "ok"
    [message] = taken
    assert message.topic == f"{BASE}/cmd/ack"
    sent = msgspec.json.decode(message.payload)
    assert sent["device"] == "m-001"
    assert sent["id"].startswith("web-")
    assert not message.retain


def test_an_agent_that_does_not_answer_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(adapter, "ANSWER_S", 0.05)
    with staged(token="t") as stage:  # noqa: S106 - of this test
        assert command(stage, {"device": "m-001"})[0] == 504


def test_health_and_readiness() -> None:
    with staged() as stage:
        assert ask(stage, "/healthz")[0] == 200
        assert ask(stage, "/readyz")[0] == 200
        stage.say("status", {"state": "stopped"})
        assert ask(stage, "/readyz")[0] == 503
        stage.page._round_at = time.monotonic() - 60  # the service hangs
        assert ask(stage, "/healthz")[0] == 503


def test_metrics_are_prometheus_with_units_and_no_device() -> None:
    with staged() as stage:
        health = {
            "skew_s": {"c-1": 2.5, "c-2": -7.0},
            "connected": True,
            "readings": 12,
            "windows": 3,
            "rejected": {"late": 2},
            "alarms": {"NORMAL": 4},
            "devices": {"online": 4},
            "memory_bytes": 1_000,
            "inference_s": {"p50": 0.001, "p99": 0.002},
            "rates": {"total": 1, "per_10min": 1, "in_flood_s": 0.0},
        }
        stage.say("health", health)
        status, headers, body = ask(stage, "/metrics")
    assert status == 200
    assert headers["Content-Type"].startswith("text/plain")
    lines = [line for line in body.decode().splitlines() if not line.startswith("#")]
    assert all(line.startswith("edge_") for line in lines)
    assert "edge_readings_total 12.0" in lines
    assert 'edge_rejected_total{reason="late"} 2.0' in lines
    assert 'edge_clock_skew_seconds{worst="behind"} 7.0' in lines
    assert 'edge_inference_seconds{quantile="0.99"} 0.002' in lines
    assert "m-001" not in body.decode()


def test_events_begin_with_everything_and_go_on_with_what_is_new() -> None:
    with staged() as stage:
        host, port = stage.page.address.removeprefix("http://").rsplit(":", 1)
        with socket.create_connection((host, int(port)), timeout=10) as wire:
            wire.sendall(b"GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n")
            stream = wire.makefile("rb")

            def event(name: bytes) -> Any:
                for line in stream:
                    if line == b"event: " + name + b"\n":
                        return json.loads(next(stream).removeprefix(b"data: "))
                raise AssertionError("the stream has ended")

            everything = event(b"all")
            assert everything["devices"]["m-003"]["group"] == "line 1"
            assert len(everything["devices"]["m-003"]["ratios"]) == 60
            assert everything["commands"] is False
            stage.alarm("m-002")
            news = event(b"new")
            assert list(news["devices"]) == ["m-002"]
            assert [alarm["device"] for alarm in news["alarms"]] == ["m-002"]


def test_a_port_that_is_taken_is_said_so() -> None:
    with staged() as stage:
        port = int(stage.page.address.rsplit(":", 1)[1])
        with pytest.raises(ConfigError, match=f"cannot listen on 127.0.0.1:{port}"):
            WebPage(("127.0.0.1", port), Wall(BASE), Traces([])).__enter__()


def test_nonsense_on_a_topic_does_not_stop_the_page() -> None:
    with staged() as stage:
        stage.page.heard([Publish(f"{BASE}/event", b"{"), Publish(f"{BASE}/device/x", b"")], 0)
        stage.alarm("m-001")
        _, _, body = ask(stage, "/api/devices/m-001")
        assert json.loads(body)["state"]["state"] == "ACTIVE_UNACK"


def test_a_device_with_a_slash_in_its_name_can_be_looked_at() -> None:
    with staged() as stage:
        stage.page.heard([Publish(f"{BASE}/device/c%2F2%25/score", SCORE)], 0)
        status, _, body = ask(stage, "/api/devices/c%2F2%25")
    assert (status, json.loads(body)["device"]) == (200, "c/2%")
