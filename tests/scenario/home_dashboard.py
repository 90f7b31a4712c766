#!/usr/bin/env python3
"""The shipped dashboard, after a simulated trip with the shipped routing, in the browser of a phone (390 px): no
entity is missing, no text is cut, nothing is wider than the screen, and the first screen has the state of the car.
FR_SCREENSHOTS=FOLDER keeps what it looked like."""
import json
import os
import shutil
import time

from browser import Browser
from fr import SOURCE, Daemon, skip, wait_until
from home import RELEASE, HomeAssistant, Way

WIDTH, FIRST_SCREEN = 390, 664  # of a phone's browser, in CSS pixels
FRONTEND = """
frontend:
lovelace: {mode: storage, dashboards: {shipped-car: {mode: yaml, title: Car, filename: dashboard.yaml}}}
history:
map:
"""
# The texts of the page, with those in shadow trees; one is cut if it is wider than its element. The icons, the
# header of Home Assistant and the map have texts that are not displayed.
TEXTS = """(() => {
  const all = [], skip = new Set(['SCRIPT', 'STYLE', 'HA-MAP', 'HUI-MAP-CARD', 'HA-SIDEBAR', 'HA-SVG-ICON', 'svg']);
  const walk = (node) => {
    for (const child of node.childNodes) {
      if (child.nodeType === 3 && child.data.trim()) {
        const box = node instanceof ShadowRoot ? node.host : node;
        if (box.getClientRects().length)
          all.push([child.data.trim(), box.scrollWidth > box.clientWidth + 1 &&
                    getComputedStyle(box).overflow !== 'visible', box.getBoundingClientRect().bottom]);
      } else if (child.nodeType === 1 && !skip.has(child.tagName)) {
        if (child.shadowRoot) walk(child.shadowRoot);
        walk(child);
      }
    }
  };
  walk(document.body);
  return all;
})()"""


def finish_onboarding(home):
    """The frontend displays the other steps until they are done; they would add integrations that need internet."""
    home.stop()
    path = f"{home.folder}/.storage/onboarding"
    with open(path) as f:
        steps = json.load(f)
    steps["data"]["done"] = ["user", "core_config", "analytics", "integration"]
    with open(path, "w") as f:
        json.dump(steps, f)
    home.start()


def log_in(page, home):
    page.go(f"{home.url}/manifest.json")
    tokens = {"access_token": home.token, "token_type": "Bearer", "expires_in": 86400, "refresh_token": "",
              "expires": int(time.time() * 1000) + 86400000, "hassUrl": home.url, "clientId": f"{home.url}/"}
    page.ask(f"localStorage.setItem('hassTokens', {json.dumps(json.dumps(tokens))})")


def texts(page):
    return page.ask(TEXTS)


def displayed(page):
    return {text for text, *_ in texts(page)}


def check_phone(page):
    shown = texts(page)
    missing = [text for text, *_ in shown if "not found" in text.lower() or "unavailable" in text.lower()]
    assert not missing, missing
    cut = [text for text, is_cut, _ in shown if is_cut]
    assert not cut, cut
    first = {text for text, _, bottom in shown if bottom <= FIRST_SCREEN}
    assert {"Car", "Battery", "Charging", "Range", "Lock", "Doors", "Windows", "Sentry"} <= first, first
    assert page.ask("document.documentElement.scrollWidth") <= WIDTH


if RELEASE >= "2026":
    skip("the frontend is installed with Home Assistant 2024.3.3 only")
with open(f"{SOURCE}/etc/home-assistant/routing.yaml") as f:
    routing = f.read()
with Way("ha_websocket") as way, HomeAssistant(FRONTEND) as home, Browser() as page:
    shutil.copy(f"{SOURCE}/etc/home-assistant/dashboard.yaml", home.folder)
    finish_onboarding(home)
    with Daemon(routing, way.sink(home), "limits: {presence_grace: 500 ms}", journal="{}") as d:
        d.simulate("--speed", 40)
        home.wait("sensor.melan_y_charging_state", "Complete", 60)
        home.wait("sensor.melan_y_activity", "Parked")
        log_in(page, home)
        page.resize(WIDTH, 3000)
        page.go(f"{home.url}/shipped-car/car")
        wait_until("the dashboard is displayed", lambda: {"Disconnected", "Rear right", "Sentry", "Complete"} <=
                   displayed(page), 60)
        wait_until("the page is complete", lambda: page.ask("document.readyState") == "complete")
        page.screenshot("dashboard-phone")
        check_phone(page)
        assert "Arrival" not in displayed(page)
        d.say({"Gear": "D", "VehicleSpeed": 31.0, "MilesToArrival": 12.4, "MinutesToArrival": 20.0})
        wait_until("the trip is displayed", lambda: {"Arrival", "Driving"} <= displayed(page), 30)
        page.screenshot("dashboard-phone-driving")
        check_phone(page)
        if os.environ.get("FR_SCREENSHOTS"):
            page.resize(1280, 780)
            time.sleep(2)
            page.screenshot("dashboard")
