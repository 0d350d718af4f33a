"""The page in a real browser: Debian's chromium, driven by Playwright."""

import os
import re
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from agents import PATIENCE_S, compressor_readings, compressors_yaml, onlooker, publish, running
from brokers import Broker, eventually
from page_server import staged
from playwright.sync_api import Browser, Page, expect, sync_playwright

from edge_anomaly.plants import Compressors, Fault, Kind

CHROMIUM = shutil.which("chromium") or "/usr/bin/chromium"
pytestmark = pytest.mark.skipif(
    not Path(CHROMIUM).exists(), reason="no chromium (apt-get install chromium)"
)

SHOTS = Path(os.environ.get("EDGE_SCREENSHOTS", "build/screenshots"))


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        found = playwright.chromium.launch(
            executable_path=CHROMIUM, headless=True, args=["--no-sandbox"]
        )
        yield found
        found.close()


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """A page; whatever its console complains of fails the test."""
    complaints: list[str] = []
    with browser.new_context(viewport={"width": 1360, "height": 820}) as context:
        fresh = context.new_page()
        fresh.set_default_timeout(PATIENCE_S * 1e3)
        fresh.on("pageerror", lambda error: complaints.append(str(error)))
        fresh.on(
            "console",
            lambda said: complaints.append(said.text) if said.type == "error" else None,
        )
        yield fresh
    assert not [one for one in complaints if "net::ERR_" not in one]  # when it ends


def shoot(page: Page, name: str) -> None:
    SHOTS.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=SHOTS / f"{name}.png")


def test_an_alarm_appears_without_reload_and_goes_again(page: Page) -> None:
    with staged() as stage:
        page.goto(stage.page.address)
        page.wait_for_selector(".tile")
        assert page.locator(".tile").count() == 4
        assert page.locator("#alarms").inner_text() == "No alarm is active."
        stage.alarm("m-002", severity="critical")
        page.wait_for_selector(".alarm.critical")
        tile = page.locator('.tile[data-id="m-002"]')
        expect(tile).to_have_class(re.compile("critical"))
        assert "flow is 11 m3/h where 10 m3/h is expected" in page.locator(".alarm").inner_text()
        assert page.locator(".alarm .shares").inner_text().split() == [
            "flow", "70", "%", "temp", "30", "%",
        ]  # fmt: skip
        assert page.title().startswith("(1) ")
        assert page.locator(".alarm button.ack").count() == 0  # read-only
        shoot(page, "alarm")
        stage.alarm("m-002", type="end", seq=2, state="CLEARED_UNACK", active=False)
        page.wait_for_selector(".alarm", state="detached")
        expect(tile).not_to_have_class(re.compile("critical"))
        assert page.locator("#log li").count() == 2


def test_acknowledging_on_the_page_changes_the_state_on_mqtt(
    broker: Broker, page: Page, tmp_path: Path
) -> None:
    config = compressors_yaml(tmp_path, broker.url)
    token = tmp_path / "token"
    token.write_text("open sesame\n", "utf-8")
    web = "web: {listen: 127.0.0.1:0, commands: true, token: {file: token}}\n"
    config.write_text(config.read_text("utf-8") + web, "utf-8")
    plant = Compressors(3, [Fault.of(Kind.SEPARATION_GAS_LOSS, "c-2", (40, 200), size=0.6)])
    with onlooker(broker.url) as watcher, running(config, watcher) as agent:
        address = re.search(r"page on (http://\S+?)[,\s]", agent.log)
        assert address is not None, agent.log
        page.goto(address[1])
        publish(broker.url, compressor_readings(plant.step(70)[1]))
        page.wait_for_selector(".alarm.new")
        page.locator(".tile[data-id=c-2]").click()
        page.wait_for_selector("#signals canvas")
        assert page.locator("#signals .signal").count() == len(Compressors.signals)
        shoot(page, "device")
        page.locator("#close").click()
        page.locator(".alarm button.ack").first.click()
        page.locator("#token").fill("open sesame")
        page.locator("#key button[value=ok]").click()
        eventually(
            lambda: watcher.all("device/c-2/state")[-1]["state"] == "ACTIVE_ACK", within=PATIENCE_S
        )
        expect(page.locator(".tile[data-id=c-2]")).to_have_class(re.compile("seen"))
        [reply] = watcher.all("reply/ack")
        assert reply["status"] == "ok"
        assert "open sesame" not in agent.log
        assert not any("sesame" in str(event) for event in watcher.all("event"))


def test_two_hundred_devices_stay_responsive_and_do_not_flicker(page: Page) -> None:
    with staged(200) as stage:
        page.goto(stage.page.address)
        page.wait_for_selector(".tile")
        assert page.locator(".tile").count() == 200
        assert page.locator(".group").count() == 2
        page.evaluate(
            """() => { window.slow = [];
            new PerformanceObserver((all) => {
              for (const one of all.getEntries()) window.slow.push(one.duration);
            }).observe({entryTypes: ['longtask']});
            for (const tile of document.querySelectorAll('.tile')) tile.known = true; }"""
        )
        first = page.locator(".tile .value").first.inner_text()
        for _ in range(12):
            stage.step()
            page.wait_for_timeout(260)
        assert page.locator(".tile .value").first.inner_text() != first
        began = time.monotonic()
        page.locator("#find").fill("m-19")
        expect(page.locator(".tile:visible")).to_have_count(10)
        assert time.monotonic() - began < 10.0  # a tenth of it where nobody else works
        # No tile was made anew: that is what would flicker.
        assert page.evaluate("[...document.querySelectorAll('.tile')].every((t) => t.known)")
        slow = page.evaluate("window.slow")
        assert max(slow, default=0) < 2_000, slow  # ms; 50 to 100 where nobody else works
        stage.alarm("m-190", severity="critical")
        page.locator("#find").fill("")
        page.wait_for_selector(".alarm.critical")
        shoot(page, "many")


def test_keys_reach_everything(page: Page) -> None:
    with staged() as stage:
        stage.alarm("m-001")
        page.goto(stage.page.address)
        page.wait_for_selector(".alarm")
        page.keyboard.press("/")
        assert page.evaluate("document.activeElement.id") == "find"
        reached = set()
        for _ in range(14):
            page.keyboard.press("Tab")
            reached.add(page.evaluate("document.activeElement.className.split(' ')[0]"))
        assert {"tile", "link"} <= reached
        page.locator(".tile").first.focus()
        page.keyboard.press("Enter")
        page.wait_for_selector("#detail[open]")
        page.keyboard.press("Escape")
        page.wait_for_selector("#detail", state="hidden")


def test_it_is_dark_where_the_reader_s_machine_is_and_fits_a_phone(browser: Browser) -> None:
    grounds = {}
    with staged() as stage:
        stage.alarm("m-001")
        for scheme in ("light", "dark"):
            with browser.new_context(
                viewport={"width": 390, "height": 800}, color_scheme=scheme
            ) as context:
                page = context.new_page()
                page.goto(stage.page.address)
                page.wait_for_selector(".alarm")
                grounds[scheme] = page.evaluate("getComputedStyle(document.body).backgroundColor")
                assert page.evaluate("document.documentElement.scrollWidth") <= 390
                shoot(page, f"phone-{scheme}")
    assert grounds["light"] != grounds["dark"]


def test_a_page_that_has_lost_the_agent_says_so(browser: Browser) -> None:
    with browser.new_context() as context:
        page = context.new_page()
        with staged() as stage:
            page.goto(stage.page.address)
            page.wait_for_selector(".tile")
            assert page.locator("#lost").is_hidden()
        page.wait_for_selector("#lost", state="visible")
