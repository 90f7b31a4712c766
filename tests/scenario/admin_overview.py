#!/usr/bin/env python3
"""What the pages of the admin listener get from the server: files, libraries, the overview, the checklist."""
import json
import os

from admin_api import ALL, SINKS, Client
from browser import Browser
from fr import PATIENCE, VIN, Daemon, fleetroute, free_port, run_parts, skip, wait_until, write_file

LIBRARIES = "/usr/share/javascript"


def need_libraries():
    for path in ("chart.js/chart.min.js", "leaflet/leaflet.min.js", "leaflet/leaflet.css"):
        if not os.path.exists(f"{LIBRARIES}/{path}"):
            skip("libjs-chart.js and libjs-leaflet are needed")


# ---- files and libraries -----------------------------------------------------------------

def libraries():
    """Debian's libraries come from this server, with an ETag, also to a confined daemon; a page whose file does
    not exist is no endpoint."""
    need_libraries()
    port = free_port()
    with Daemon(ALL, SINKS, f"admin: {{port: {port}}}") as d:
        me = Client(port)
        for name, file, kind in (("chart.js", "chart.js/chart.min.js", "text/javascript; charset=utf-8"),
                                 ("leaflet.js", "leaflet/leaflet.min.js", "text/javascript; charset=utf-8"),
                                 ("leaflet.css", "leaflet/leaflet.css", "text/css; charset=utf-8")):
            status, headers, body = me.ask("/lib/" + name)
            with open(f"{LIBRARIES}/{file}", encoding="utf-8", newline="") as f:
                assert status == 200 and body == f.read(), name
            assert headers["Content-Type"] == kind and headers["Cache-Control"] == "no-cache", headers
            assert me.ask("/lib/" + name, headers={"If-None-Match": headers["ETag"]})[0] == 304
        c = me.connect()
        c.request("GET", "/lib/images/marker-icon.png", headers={"Host": "localhost"})
        answer = c.getresponse()
        with open(f"{LIBRARIES}/leaflet/images/marker-icon.png", "rb") as f:
            assert answer.status == 200 and answer.read() == f.read()
        assert answer.headers["Content-Type"] == "image/png"
        for name in ("", "nothing", "chart.js/chart.js", "../leaflet.js", "%2e%2e/leaflet.js", "images/", "images",
                     "images/../chart.js", "chart.js%00", "leaflet/leaflet.css", "/etc/passwd"):
            assert me.ask("/lib/" + name)[0] in (400, 404), name
        listed = me.ask("/nothing")[2].split()
        for page in ("/", "/vehicle/VIN", "/live", "/checklist", "/dead-letters"):
            status, headers, body = me.ask(page)
            path = page.replace("VIN", "{vin}")
            assert (status == 200) == (path in listed) or page == "/", (page, status, listed)
            if status == 200:
                assert headers["Content-Type"] == "text/html; charset=utf-8" and "<title>" in body, page
                assert "style=" not in body and "<style" not in body and "<script>" not in body, page
        assert d.status()


def drawn_under_the_policy():
    """Chart.js draws a chart and Leaflet a map with a marker while the policy permits no inline style or script."""
    need_libraries()
    port = free_port()
    with Daemon(ALL, SINKS, f"admin: {{port: {port}}}"), Browser() as browser:
        browser.go(f"http://localhost:{port}/")
        browser.ask("""((load, css) => {
            window.loaded = 0;
            for (const name of load) {
                const script = document.createElement('script');
                script.src = '/lib/' + name;
                script.onload = () => window.loaded++;
                document.head.append(script);
            }
            const link = document.createElement('link');
            link.rel = 'stylesheet';
            link.href = '/lib/' + css;
            link.onload = () => window.loaded++;
            document.head.append(link);
        })(['chart.js', 'leaflet.js'], 'leaflet.css')""")
        browser.wait("the libraries are loaded", "window.loaded === 3")
        browser.ask("""(() => {
            const box = document.createElement('div'), canvas = document.createElement('canvas');
            const map = document.createElement('div');
            box.style.width = map.style.width = '600px';
            box.style.height = map.style.height = '300px';
            box.append(canvas);
            document.body.prepend(box, map);
            window.chart = new Chart(canvas, {type: 'line', options: {animation: false},
                data: {labels: [1, 2, 3], datasets: [{data: [1, 5, 2]}]}});
            window.map = L.map(map).setView([52.4, 13.8], 12);
            L.control.scale().addTo(window.map);
            L.marker([52.4, 13.8]).addTo(window.map);
            L.polyline([[52.4, 13.8], [52.41, 13.81]]).addTo(window.map);
        })()""")
        browser.wait("the marker is drawn", "document.querySelector('.leaflet-marker-icon')?.naturalWidth === 25")
        assert browser.ask("document.querySelector('.leaflet-marker-icon').src").endswith("/lib/images/marker-icon.png")
        assert browser.ask("getComputedStyle(document.querySelector('.leaflet-map-pane')).zIndex") == "400"
        assert browser.ask("window.chart.width") == 600, "the size follows the style that Chart.js has set"
        assert browser.ask("""[...window.chart.ctx.getImageData(0, 0, 600, 300).data].some(v => v !== 0)""")
        assert browser.severe_log_messages() == []
        # What the policy forbids is not applied: an inline style in markup, an inline script.
        browser.ask("""(() => { const p = document.createElement('p'); p.id = 'inline';
            p.setAttribute('style', 'width: 7px'); document.body.append(p); })()""")
        assert browser.ask("getComputedStyle(document.querySelector('#inline')).width") != "7px"
        browser.screenshot("libraries")


# ---- the checklist -----------------------------------------------------------------------

def checklist():
    """/api/doctor has the result of `fleetroute doctor`; a file with other content is named and breaks nothing."""
    port = free_port()
    with Daemon(ALL, SINKS, f"admin: {{port: {port}}}", journal="{}") as d:
        me, path = Client(port), d.path("state/doctor.json")
        none = me.json("/api/doctor")
        assert none["run_ms"] is None and none["links"] == [] and "no result yet" in none["how"], none
        assert "fleetroute doctor" in none["how"]
        printed = json.loads(fleetroute("doctor", "--json", "-c", d.path("fleetroute.yaml"), check=False).stdout)
        stored = me.json("/api/doctor")
        assert stored["run_ms"] == printed["run_ms"] and stored["links"] == printed["links"], stored
        assert 0 <= stored["age_ms"] < 120000 * PATIENCE and len(stored["links"]) > 5
        file, folder = os.stat(path), os.stat(d.path("state"))
        assert file.st_mode & 0o777 == 0o640 and (file.st_uid, file.st_gid) == (folder.st_uid, folder.st_gid)
        fleetroute("doctor", "--json", "--vin", VIN, "-c", d.path("fleetroute.yaml"), check=False)
        assert me.json("/api/doctor")["run_ms"] == printed["run_ms"]
        link = {"level": "failure", "id": "name", "title": "t", "subject": None, "text": "t", "remedy": ""}
        hostile = "</script><img src=x onerror=alert(1)>\u202e\u0007\"\\" + "x" * 3000
        write_file(path, json.dumps({"run_ms": 10 ** 15, "links": [{**link, "text": hostile, "more": [1]}]}))
        answer = me.json("/api/doctor")
        assert answer["links"][0]["text"].startswith("</script>") and answer["age_ms"] == 0, answer
        assert "more" not in answer["links"][0]
        for text in ("", "{", "[]", "{}", "null", '{"run_ms": 1}', '{"run_ms": "1", "links": []}', "[" * 100000,
                     json.dumps({"run_ms": 1, "links": [{**link, "level": "x"}]}),
                     json.dumps({"run_ms": 1, "links": [link] * 3000}), "x" * 300000,
                     json.dumps({"run_ms": 1, "links": [{**link, "text": "x" * 5000}]}), '{"run_ms":1,"links":[]}}'):
            write_file(path, text)
            answer = me.json("/api/doctor")
            assert answer["run_ms"] is None and answer["links"] == [] and path in answer["how"], (text[:80], answer)
        os.remove(path)
        for make in (lambda: os.mkfifo(path), lambda: os.symlink("/etc/passwd", path)):
            make()
            assert me.json("/api/doctor")["run_ms"] is None
            os.remove(path)
        os.mkdir(path)
        assert me.json("/api/doctor")["run_ms"] is None


# ---- the overview ------------------------------------------------------------------------

def overview():
    """Rates, connections, delays and sinks in steps of 10 s, and the health in a sentence that follows the facts."""
    port = free_port()
    with Daemon(ALL, SINKS, f"admin: {{port: {port}}}", journal="{}") as d:
        me = Client(port)
        first = me.json("/api/overview")
        assert first["step_ms"] == 10000 and first["series"]["records"] == [] and first["sinks"] == {}, first
        assert first["health"]["level"] == "warning" and first["health"]["sentence"] == "No vehicle has connected yet."
        assert "fleetroute doctor" in first["health"]["remedy"]
        cars = d.simulate_beside("--vehicles", 5, "--rate", 10, "--duration", 600)

        def working():
            o = me.json("/api/overview")
            s = o["series"]
            return len(s["records"]) >= 2 and s["connected"][-1] == 5 and s["acknowledged"][-1] > 20 and o
        o = wait_until("two steps are there", working, 60)
        s, archive = o["series"], o["sinks"]["archive"]
        length = len(s["at_ms"])
        assert {len(column) for column in s.values()} == {length} and {len(c) for c in archive.values()} == {length}
        assert all(b - a > 5000 for a, b in zip(s["at_ms"], s["at_ms"][1:])) and s["at_ms"][-1] <= o["now_ms"]
        assert 20 < s["records"][-1] < 80 and 20 < archive["delivered"][-1] < 80, o
        assert archive["lag"][-1] < 500 and 0 <= s["ack_p50_ms"][-1] <= s["ack_p99_ms"][-1], o
        assert o["health"] == {"level": "ok", "sentence": "Everything works; 5 of 5 vehicles are connected.",
                               "remedy": None}, o["health"]
        assert len(me.json("/api/overview?minutes=1")["series"]["at_ms"]) <= 6
        for query in ("minutes=0", "minutes=61", "minutes=x", "minutes=-1", "minutes=1.5", "minutes=%00"):
            assert me.ask(f"/api/overview?{query}")[0] == 400, query
        cars.terminate()
        cars.wait()
    broken = '  archive: {plugin: file, options: {path: "@/away/V.jsonl"}}'
    with Daemon(ALL, broken, f"admin: {{port: {port}}}", journal="{}") as d:
        write_file(d.path("away"), "not a folder")
        d.say({"Soc": 1})
        health = wait_until("it is reported", lambda: (h := Client(port).json("/api/overview")["health"])["level"] ==
                            "failure" and h)
        assert health["sentence"].startswith('The sink "archive" does not work'), health
        assert "journal" in health["remedy"], health


if __name__ == "__main__":
    run_parts(overview, checklist, libraries, drawn_under_the_policy)
