#!/usr/bin/env python3
"""The page of one vehicle in a real Chromium: values with their marks, charts, the map, sessions, lists; without a
history, without libraries, with hostile texts; on a phone. FR_SCREENSHOTS=FOLDER keeps what it looked like."""
import contextlib
import functools
import http.server
import json
import os
import ssl
import sys
import threading
import time
import urllib.error
import urllib.request
from urllib.parse import quote

from browser import Browser
from fr import PATIENCE, SOURCE, VIN, Daemon, free_port, run_parts, wait_until

sys.path.insert(0, f"{SOURCE}/tests/attack")
from messages import alerts, datum, envelope, field, location, vehicle_data  # noqa: E402

ALL = 'records: [{type: "*", to: archive}]'
NAMED = f"vehicles: [{{vin: {VIN}, name: Melan Y}}]\n" + ALL
FILE = '  archive: {plugin: file, options: {path: "@/%{type}.jsonl", rotate_size: 0}}'
HOUR = 3600
WIDE = "document.documentElement.scrollWidth > document.documentElement.clientWidth"
ROW = "document.querySelector('#values tr[data-field={}]')"
# The visible charts that have something drawn.
DRAWN = """[...document.querySelectorAll('.chart canvas')].filter((c) => c.offsetParent !== null && c.width > 0 &&
    c.getContext('2d').getImageData(0, 0, c.width, c.height).data.some((n) => n !== 0)).length"""
INVALID = field(10, 1)


def start(routing=NAMED, history="history: {}", admin=""):
    port = free_port()
    extra = f"limits: {{presence_grace: 100 ms}}\n{history}\nadmin: {{port: {port}{admin}}}"
    return Daemon(routing, FILE, journal="{values_every: 100 ms}", extra=extra), port


def go(page, port, vin=VIN):
    page.go(f"http://127.0.0.1:{port}/vehicle/{vin}")


def api(port, path=""):
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/api/vehicles/{VIN}{path}", timeout=20 * PATIENCE) as answer:
        return json.load(answer)


def wait_history(port, what="/sessions"):
    """Wait until the history has the vehicle."""
    def has_vehicle():
        try:
            return api(port, what)
        except urllib.error.HTTPError as error:
            assert error.code == 404, error
            return None
    return wait_until("the history has the vehicle", has_vehicle)


def row(page, name, part):
    """The text of a part of a value's row: th, .value or .age; without non-breaking spaces."""
    text = page.ask(f"{ROW.format(name)}?.querySelector('{part}')?.innerText ?? ''")
    return text.replace("\u00a0", " ").strip()


def wait_row(page, name, value, part=".value"):
    wait_until(f"{name} is {value}", lambda: row(page, name, part) == value)


def type_into(page, selector, text):
    page.ask(f"((i, text) => {{ i.value = text; i.dispatchEvent(new Event('input')); i.dispatchEvent(new Event('change')) }})"
             f"(document.querySelector({selector!r}), {json.dumps(text)})")


def assert_fits(page, name):
    """No horizontal scrolling, at the width of a phone and of a desk."""
    for width, height, kind in ((390, 844, "phone"), (1280, 900, "desk")):
        page.resize(width, height)
        assert not page.ask(WIDE), (name, width, page.ask("document.documentElement.scrollWidth"))
        page.screenshot(f"vehicle-{kind}-{name}")
        assert kind == "desk" or not (small := page.small_targets()), (name, small)


def assert_quiet(page, expected=()):
    """No console error, except those of requests whose failure is part of the test."""
    messages = [m for m in page.severe_log_messages() if not any(e in m for e in expected)]
    assert not messages, messages


def send(d, payload, topic="V"):
    car = d.car()
    car.send(envelope(topic, payload, VIN))
    assert car.receive_reply()[0] == "ack"
    car.close()


def apart(part):
    """The part without the console messages of the page before, whose daemon has ended."""
    @functools.wraps(part)
    def run(page):
        page.go("about:blank")
        page.severe_log_messages()
        part(page)
    return run


# ---- what is displayed ---------------------------------------------------------------------

@apart
def trip(page):
    """Values, charts, track, sessions, connections and signals of a simulated trip."""
    d, port = start()
    with d:
        d.say({"InsideTemp": 21.5, "age": 3 * HOUR}, {"ModuleTempMax": 30.5, "age": 3 * HOUR})
        d.simulate("--speed", 20)
        sessions = wait_until("both sessions", lambda: (s := api(port, "/sessions")["sessions"]) and len(s) == 2 and s)
        go(page, port)
        page.wait("the page has values", "document.querySelectorAll('#values tr[data-field]').length > 40")
        assert page.text("#vehicle_name") == "Melan Y" and page.text("#vehicle_vin") == VIN, page.text(".vehicle-head")
        page.wait("the vehicle is disconnected", "document.getElementById('vehicle_state').innerText.startsWith('disconnected')")
        values = api(port)["values"]
        wait_row(page, "VehicleSpeed", "0 mph")
        wait_row(page, "Gear", "P")
        wait_row(page, "DoorState", "none")
        wait_row(page, "Locked", "yes" if values["Locked"]["value"] else "no")
        wait_row(page, "Odometer", f"{values['Odometer']['value']:,.2f}".rstrip("0").rstrip(".") + " mi")
        wait_row(page, "ModuleTempMax", "30.5 °C")
        assert row(page, "ModuleTempMax", ".age") == "3 h"
        assert row(page, "VehicleSpeed", ".age").endswith((" s", " min"))
        # The time of receipt of a replayed record is kept, so the daemon received it before its start.
        tags = page.ask("[...document.querySelectorAll('#values .tag')].map((t) => t.closest('tr').dataset.field + t.textContent)")
        assert tags == ["ModuleTempMaxrestored"], tags
        categories = page.ask("[...document.querySelectorAll('.category h3')].map((h) => h.textContent)")
        assert {"battery", "driving", "vehicle state"} <= set(categories) and categories == sorted(categories)
        tiles = page.text("#tiles").replace("\u00a0", " ")
        assert "Battery" in tiles and "0 mph · P" in tiles, tiles
        page.wait("charts are drawn", f"{DRAWN} >= 4")
        labels = page.ask("[...document.querySelectorAll('.chart canvas')].map((c) => c.getAttribute('aria-label'))")
        speed = [text for text in labels if text.startswith("Speed.")][0]
        assert "VehicleSpeed: 0\u00a0mph at the end, from 0 to 4" in speed, labels
        map_is_drawn(page, port)
        listed = page.wait("sessions are listed", "[...document.querySelectorAll('#sessions tbody tr')].map((r) => r.innerText)")
        assert len(listed) == 2 and listed[0].startswith("Charge, AC") and listed[1].startswith("Drive"), listed
        assert f"\t{sessions[1]['distance_mi']:.3g}\u00a0mi" in listed[1], (listed, sessions)
        assert "connected" in page.text("#connections") and "No alert" in page.text("#alerts")
        signals = api(port, "/signals")
        wait_until("signals are counted", lambda: f"for {signals['signals']:,} signals" in page.text("#signals_sum"))
        assert f"$1 for {signals['signals_per_usd']:,}" in page.text("#signals_sum")
        own = page.ask("performance.getEntriesByType('resource').every((r) => r.name.startsWith(location.origin + '/'))")
        assert own, page.ask("performance.getEntriesByType('resource').map((r) => r.name)")
        assert_fits(page, "trip")
        changes_are_displayed(page, d)
        fields_are_chosen(page)
        assert_quiet(page)


def map_is_drawn(page, port):
    track = api(port, "/track?points=1000")
    page.wait("the track is drawn", "document.querySelector('path.track')?.getAttribute('d').split('L').length > 2")
    assert page.ask("document.querySelector('path.position')?.getBoundingClientRect().width > 5")
    assert page.ask("document.querySelector('.leaflet-control-scale').innerText !== ''")
    text = page.text("#map_position")
    assert f"{track['lat'][-1]:.5f}, {track['lon'][-1]:.5f}" in text and "ago" in text, (text, track)
    assert f"{len(track['lat'])} points" in page.text("#map_drive")


def changes_are_displayed(page, d):
    """Without a reload; a search stays. A hidden page does not ask."""
    page.ask("window.isSamePage = true")
    type_into(page, "#find_value", "tire tpms")
    page.wait("nothing is found", "document.querySelectorAll('#values tr[data-field]').length === 0")
    assert page.text("#values_found") == "no field matches"
    type_into(page, "#find_value", "soc")
    page.wait("fields are found", "document.querySelectorAll('#values tr[data-field]').length === 2")
    d.say({"Soc": 12.5, "age": 0})
    wait_row(page, "Soc", "12.5 %")
    assert page.ask("window.isSamePage && document.querySelectorAll('#values tr[data-field]').length === 2")
    type_into(page, "#find_value", "")
    page.ask("Object.defineProperty(document, 'hidden', {configurable: true, value: true})")
    time.sleep(3)  # a request that was about to begin
    d.say({"Soc": 13.5, "age": 0})
    time.sleep(5)
    assert row(page, "Soc", ".value") == "12.5 %"
    page.ask("delete document.hidden || document.dispatchEvent(new Event('visibilitychange'))")
    page.ask("document.dispatchEvent(new Event('visibilitychange'))")
    wait_row(page, "Soc", "13.5 %")


def fields_are_chosen(page):
    """States are steps; the choice and the time survive a reload of the page."""
    shown = "[...document.querySelectorAll('.chart')].map((c) => c.querySelector('h3').textContent)"
    type_into(page, "#choose", "Gear")
    page.wait("Gear is drawn", f"{DRAWN} >= 5")
    label = page.ask("[...document.querySelectorAll('.chart canvas')].at(-1).getAttribute('aria-label')")
    assert label == "Gear. Gear: P at the end, 2 changes", label
    page.ask("[...document.querySelectorAll('.chart summary')].at(-1).click()")
    page.wait("the table is there", "[...document.querySelectorAll('.chart')].at(-1).querySelectorAll('tbody tr').length === 3")
    page.ask("document.querySelector('[name=range][value=hour]').click()")
    page.do("/refresh")
    page.wait("the charts are there again", f"{DRAWN} >= 5")
    assert "Gear" in page.ask(shown) and page.ask("document.querySelector('[name=range]:checked').value") == "hour"
    page.ask("[...document.querySelectorAll('.chart .remove')].at(-1).click()")
    assert "Gear" not in page.ask(shown)
    page.ask("document.querySelector('[name=range][value=day]').click()")


@apart
def marks(page):
    """Late, invalid and restored values have a word and a colour; without a history, the page says how to get one."""
    d, port = start(history="history: off")
    with d:
        send(d, vehicle_data(datum(4, field(5, 33.5)), datum(85, INVALID), created=time.time() - HOUR))
        send(d, vehicle_data(datum(8, field(5, 61.5)), datum(21, location(48.2, 16.37))))
        go(page, port)
        wait_row(page, "Soc", "61.5 %")
        wait_row(page, "VehicleSpeed", "33.5 mph")
        marks_of = "[...{}.querySelectorAll('.tag')].map((t) => t.textContent)"
        assert page.ask(marks_of.format(ROW.format("VehicleSpeed"))) == ["late"]
        assert page.ask(marks_of.format(ROW.format("InsideTemp"))) == ["invalid", "late"]
        assert page.ask(marks_of.format(ROW.format("Soc"))) == []
        assert row(page, "InsideTemp", ".value") == "–" and row(page, "VehicleSpeed", ".age") in ("60 min", "1 h")
        colors = page.ask("new Set([...document.querySelectorAll('#values_legend .tag')].map((t) => getComputedStyle(t).color)).size")
        assert colors == 2 and "a minute or more" in page.text("#values_legend")
        history_is_off(page)
        assert_fits(page, "marks")
        d.end()
        page.wait("the end of the daemon is displayed", "!document.getElementById('failure').hidden")
        d.start()
        page.wait("values are restored", f"{marks_of.format(ROW.format('Soc'))}.join() === 'restored'")
        assert page.ask(marks_of.format(ROW.format("VehicleSpeed"))) == ["late", "restored"]
        assert "before fleetrouted started" in page.text("#values_legend")
        page.wait("the failure is over", "document.getElementById('failure').hidden")
        assert_quiet(page, ("404", "ERR_CONNECTION", "502", "503"))


def history_is_off(page):
    page.wait("the page says so", "!document.getElementById('history_off').hidden")
    assert "history: {}" in page.text("#history_off") and "restart fleetrouted" in page.text("#history_off")
    page.wait("nothing of the history", "[...document.querySelectorAll('[data-history]')].every((e) => e.offsetParent === null)")
    page.wait("the position is there", "document.querySelector('path.position') !== null")
    assert "48.20000, 16.37000" in page.text("#map_position")


# ---- what is missing and what is hostile -----------------------------------------------------

@apart
def missing_libraries(page):
    """Without Chart.js and Leaflet the packages are named, and the rest works."""
    d, port = start()
    with d:
        d.say({"Soc": 50, "age": 60}, {"Soc": 49, "Location": {"latitude": 48.2, "longitude": 16.37}, "age": 0})
        wait_history(port)
        page.do("/goog/cdp/execute", cmd="Network.enable", params={})
        page.do("/goog/cdp/execute", cmd="Network.setBlockedURLs", params={"urls": ["*/lib/*"]})
        try:
            go(page, port)
            page.wait("the first package is named", "document.getElementById('map_problem').innerText.includes('libjs-leaflet')")
            page.wait("the second package is named", "document.getElementById('charts_problem').innerText.includes('libjs-chart.js')")
            wait_row(page, "Soc", "49 %")
            assert "48.20000, 16.37000" in page.text("#map_position") and "signals" in page.text("#signals_sum")
            page.ask("document.querySelector('.chart summary').click()")
            page.wait("the values of a chart are a table", "document.querySelectorAll('.chart tbody tr').length > 0")
            assert_fits(page, "missing-libraries")
        finally:
            page.do("/goog/cdp/execute", cmd="Network.setBlockedURLs", params={"urls": []})
        go(page, port, "5YJ3E1EA7KF999999")
        page.wait("an unknown vehicle is named as such", "!document.getElementById('unknown').hidden")
        assert "no such vehicle" in page.text("#unknown") and page.ask("document.getElementById('vehicle').offsetParent === null")
        assert_quiet(page, ("ERR_BLOCKED_BY_CLIENT", "404"))


HOSTILE = '</td></script><img src=x onerror="window.isHostile=1"><b>&amp;\u202e\u0000\u0007"\\'


@apart
def hostile_texts(page):
    """Markup, long words, other directions and NUL are text, also in charts, alerts, names and the address."""
    routing = "vehicles: [{vin: %s, name: \"<img src=x onerror='window.isHostile=1'>\u202eY\"}]\n%s" % (VIN, ALL)
    d, port = start(routing)
    with d:
        d.say({"VehicleName": HOSTILE + "x" * 3000, "Soc": 50, "age": 120},
              {"DestinationName": "\u202e\u05d0\u05d1" * 300, "RouteLine": "y" * 5000, "Version": "", "age": 60},
              {"VehicleName": "\u0000" + HOSTILE + "z" * 3000, "Odometer": 1e300, "VehicleSpeed": -1e-9, "age": 0})
        names = [HOSTILE + "w" * 300, "\u0000", "\u202e\u05d0", "u" * 500]
        send(d, alerts(names, started=int(time.time()) - 60), "alerts")
        send(d, vehicle_data(datum(21, field(1, HOSTILE)), datum(99999, field(1, HOSTILE)), datum(63, field(5, float("nan")))))
        wait_history(port)
        wait_until("the alerts are stored", lambda: len(api(port, "/alerts")["alerts"]) == 4)
        page.do("/goog/cdp/execute", cmd="Storage.clearDataForOrigin", params={"origin": f"http://127.0.0.1:{port}", "storageTypes": "all"})
        go(page, port)
        page.wait("the values are there", ROW.format("VehicleName") + " !== null")
        type_into(page, "#choose", "VehicleName")
        page.wait("the chart is drawn", f"{DRAWN} >= 2")
        page.ask("[...document.querySelectorAll('.chart summary')].forEach((s) => s.click())")
        page.wait("the alerts are listed", "document.querySelectorAll('#alerts tbody tr').length === 4")
        assert "<img src=x" in row(page, "VehicleName", ".value") and "␀" in row(page, "VehicleName", ".value")
        assert "<img src=x" in page.text("#vehicle_name") and "<img src=x" in page.text("#alerts")
        assert row(page, "Version", ".value") == "(empty)" and len(row(page, "RouteLine", ".value")) < 300
        assert page.ask("window.isHostile === undefined && document.querySelectorAll('main img, main script, main td b b').length === 0")
        assert_fits(page, "hostile")
        assert_quiet(page)
        for vin in ("<img src=x onerror='window.isHostile=1'>", "%00", "x" * 60, "%"):
            go(page, port, quote(vin))
            page.wait("it is unknown", "document.getElementById('unknown')?.hidden === false")
            assert page.ask("window.isHostile === undefined && document.querySelectorAll('main img').length === 0")
            assert not page.ask(WIDE), vin
        page.ask("localStorage.clear()")
        assert_quiet(page, ("404", "400"))


@contextlib.contextmanager
def tile_server(port, certificate, key):
    """A server of tiles with TLS; yields the list of the paths that are requested."""
    paths = []

    class Tiles(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            paths.append(self.path)
            self.send_response(200)
            self.send_header("Content-Type", "image/svg+xml")
            self.end_headers()
            self.wfile.write(b'<svg xmlns="http://www.w3.org/2000/svg" width="256" height="256">'
                             b'<rect width="255" height="255" fill="#cde"/></svg>')

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", port), Tiles)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield paths
    finally:
        server.shutdown()
        server.server_close()


@apart
def map_tiles(page):
    """With map_tiles the map has tiles of that server, and the page names it; home_zone is a circle on it."""
    tiles = free_port()
    d, port = start(admin=f", map_tiles: 'https://localhost:{tiles}/{{z}}/{{x}}/{{y}}.png', home_zone: {{latitude: 48.2001, longitude: 16.37}}")
    with d, tile_server(tiles, d.path("server.pem"), d.path("server.key")) as paths:
        page.do("/goog/cdp/execute", cmd="Security.setIgnoreCertificateErrors", params={"ignore": True})
        d.say({"Location": {"latitude": 48.2, "longitude": 16.37}, "age": 0})
        wait_history(port)
        go(page, port)
        page.wait("tiles are displayed", "[...document.querySelectorAll('img.leaflet-tile')]"
                  ".some((i) => i.complete && i.naturalWidth > 0)")
        assert any(p.startswith("/15/") for p in paths), paths
        # 100 m at this latitude and zoom 15 have a radius of 31 px.
        width = page.ask("document.querySelector('path.home-zone').getBoundingClientRect().width")
        assert 58 < width < 70, width
        assert page.text("#map_source") == f"Map: localhost:{tiles}", page.text("#map_source")
        assert_fits(page, "tiles")
        assert_quiet(page)


if __name__ == "__main__":
    if os.environ.get("FR_SCREENSHOTS"):
        os.makedirs(os.environ["FR_SCREENSHOTS"], exist_ok=True)
    run_parts(trip, marks, missing_libraries, hostile_texts, map_tiles, context=Browser)
