#!/usr/bin/env python3
"""The pages in a real Chromium: vehicles, a sink that fails, records, acts, a token, hostile values; each page on
a phone and on a desk, light and dark, without an error in the console.

FR_SCREENSHOTS=FOLDER keeps what the pages looked like. FR_AXE=FILE, axe.min.js of the npm package axe-core, lets
axe-core search each page for problems of accessibility (`npm pack axe-core; tar xzf axe-core-*.tgz`)."""
import contextlib
import json
import os
import signal
import time

from browser import Browser
from fr import Daemon, free_port, run_parts, vector, wait_until, write_file

TOKEN = "a-token-for-the-page-0123"
VIN = "5YJ3E1EA7KF000001"
PAGES = {"overview": "", "live": "live", "checklist": "checklist", "dead-letters": "dead-letters"}
ALL = "records: [{type: V, to: [archive, second]}]"
NAMED = f"vehicles: [{{vin: {VIN}, name: Melan Y}}]\n" + ALL
SINKS = """  archive: {plugin: file, options: {path: "@/V.jsonl"}}
  second: {plugin: file, retry: {min: 20 ms, max: 50 ms}, options: {path: "@/blocked/%{vin}.jsonl"}}"""
ROWS = "document.querySelectorAll('#vehicles tr').length"
ENTER, TAB = "\ue007", "\ue004"
HOSTILE = {
    "markup": "<img src=x onerror=\"document.title='owned'\"><script>document.title='owned'</script>",
    "long": "W" * 20000,
    "right to left": "\u202eabc \u05d0\u05d1\u05d2 \u2067def",
    "NUL": "before\u0000after\u001b[31m",
}


class Site:
    """A daemon and the browser."""

    def __init__(self, browser, routes=ALL, token=False, journal="{}", sinks=SINKS):
        self.browser, self.port, self.token = browser, free_port(), token
        self.daemon = Daemon(routes, sinks, f"admin: {{port: {self.port}{', token_file: token' if token else ''}}}",
                             journal=journal)
        if token:
            write_file(self.daemon.path("token"), TOKEN + "\n")

    def __enter__(self):
        self.daemon.start()
        self.browser.block()
        return self

    def __exit__(self, *error):
        self.browser.go("about:blank")
        return self.daemon.__exit__(*error)

    def go(self, path=""):
        self.browser.go(f"http://localhost:{self.port}/{path}")

    def open_overview(self):
        self.go()
        self.browser.wait("the overview is displayed", "!document.getElementById('all').hidden && "
                          "document.getElementById('verdict').innerText != 'loading …'")

    @contextlib.contextmanager
    def load(self, *arguments):
        """Simulated vehicles as long as the `with` block."""
        cars = self.daemon.simulate_beside(*arguments, "--duration", 600)
        try:
            yield
            cars.send_signal(signal.SIGINT)  # as if its duration was over
            cars.wait()
        finally:
            cars.kill()
            cars.wait()

    def log_in(self):
        b = self.browser
        b.wait("a token is asked for", "!document.getElementById('login').hidden")
        assert b.ask("document.activeElement.id") == "token" and b.ask("document.getElementById('main').hidden")
        b.type("#token", TOKEN)
        b.click("#login button")
        b.wait("the page is displayed", "document.getElementById('login').hidden && !document.getElementById('main').hidden")

    def check_page(self, name):
        """The page that is open fits and has no error, on a phone and on a desk, light and dark."""
        b = self.browser
        for scheme in ("light", "dark"):
            b.scheme(scheme)
            for width, height in ((1280, 900), (390, 844)):
                b.resize(width, height)
                b.wait(f"{name} fits in {width} px", "document.documentElement.scrollWidth <= document.documentElement.clientWidth", 5)
                b.screenshot(f"{name}-{width}-{scheme}")
                assert width > 400 or not (small := b.small_targets()), (name, small)
                assert not (found := b.accessibility_problems()), (name, width, scheme, found)
        b.scheme("light")
        b.resize(1280, 900)
        assert not (messages := b.severe_log_messages()), (name, messages)


def chart_is_drawn(number):
    """A script: whether the lines of chart `number` are drawn."""
    return (f"(c => c && c.width > 100 && [...c.getContext('2d').getImageData(0, 0, c.width, c.height).data]"
            f".some(v => v != 0))(document.querySelectorAll('.chart canvas')[{number}])")


# ---- the overview ------------------------------------------------------------------------

def empty(browser):
    """No vehicle: each page states what is missing and has no error."""
    with Site(browser) as site:
        site.open_overview()
        browser.wait("the list is empty", "document.getElementById('no_vehicles').innerText"
                     ".includes('No vehicle has connected yet')")
        assert browser.ask(ROWS) == 0
        browser.wait("three charts are drawn", f"{chart_is_drawn(0)} && {chart_is_drawn(2)}")
        assert browser.text("#acts_why").startswith("To pause, resume or rewind a sink and to reload here: acts need a token")
        assert browser.ask("[...document.querySelectorAll('.part .buttons button')].every(b => b.hidden)")
        for name, path in PAGES.items():
            site.go(path)
            browser.wait("the page is displayed", "document.querySelector('#version')?.innerText.length > 12")
            assert browser.ask("document.querySelectorAll('h1').length - document.querySelectorAll('#login h1').length") == 1
            assert browser.ask("document.querySelector('nav [aria-current=page]').pathname") == f"/{path}"
            site.check_page(f"empty-{name}")


def vehicles(browser):
    """Three vehicles: their rates, the charts with tables, the search, the order, the filter; all of it in the address."""
    with Site(browser) as site, site.load("--vehicles", 3, "--rate", 5):
        site.open_overview()
        browser.wait("three vehicles are listed, with a rate each", f"{ROWS} == 3 && "
                     "[...document.querySelectorAll('#vehicles tr')].every(r => Number(r.cells[4].innerText) > 1)")
        assert browser.text("#vehicle_count") == "3 connected, 3 known"
        browser.wait("the sentence counts them", "document.getElementById('verdict').innerText"
                     " == 'Everything works; 3 of 3 vehicles are connected.'")
        assert "good" in browser.ask("document.getElementById('health').className")
        browser.wait("a delay is in the chart", "!document.querySelectorAll('.chart')[1].innerText.includes('p99 –')")
        browser.click(".chart summary")
        browser.wait("the values are in a table", "document.querySelectorAll('.chart table tbody tr').length > 0")
        site.check_page("overview-3")
        link = browser.ask("document.querySelector('#vehicles a').pathname")
        assert link.startswith("/vehicle/5YJ3E1EA7KF00000"), link
        # A refresh does not replace what has the focus.
        browser.ask("document.querySelector('#vehicles tr:nth-child(2) a').focus()")
        before = browser.text("#vehicles tr:nth-child(2) td:nth-child(4)")
        browser.wait("the count grows", f"document.querySelector('#vehicles tr:nth-child(2) td:nth-child(4)').innerText != '{before}'")
        assert browser.ask("document.activeElement === document.querySelector('#vehicles tr:nth-child(2) a')")
        browser.click("#vehicle_head th:nth-child(1) button")
        browser.click("#vehicle_head th:nth-child(1) button")
        browser.wait("sorted from the last VIN", "document.querySelector('#vehicles th').innerText.endsWith('2')")
        assert browser.ask("document.querySelector('#vehicle_head th').ariaSort") == "descending"
        browser.type("#find", "f000001")
        browser.wait("one is found", f"{ROWS} == 1")
        browser.click("#state_choice input[value=disconnected]")
        browser.wait("none matches", "document.getElementById('no_vehicles').innerText == 'No vehicle matches.'")
        assert browser.ask("location.search") == "?find=f000001&state=disconnected&sort=vin&order=desc"
        site.go("?find=f000001&state=connected")
        browser.wait("the address is applied", f"{ROWS} == 1 && document.getElementById('find').value == 'f000001'"
                     " && document.querySelector('#state_choice input:checked').value == 'connected'")
        assert not browser.severe_log_messages()


def owner(browser):
    """An owner's phone: the car by its name and above the operator's figures; no column is cut."""
    with Site(browser, NAMED) as site:
        browser.resize(390, 844)
        car = site.daemon.car()
        car.send(vector("01_v_three_datums"))
        assert car.receive_reply()[0] == "ack"
        site.open_overview()
        browser.wait("the car is listed", f"{ROWS} == 1")
        assert browser.text("#vehicles a") == "Melan Y" and VIN in browser.text("#vehicles th")
        top = "document.querySelector('{}').getBoundingClientRect().top"
        tops = [browser.ask(top.format(part)) for part in ("#health", "#vehicles", "#sinks", "#charts", "#server")]
        assert tops == sorted(tops), tops
        assert browser.ask("(w => w.scrollWidth <= w.clientWidth)(document.getElementById('vehicle_table').parentElement)")
        site.check_page("owner")
        car.close()


def failing_sink(browser):
    """A sink that fails is in the sentence, in the title and in its card, and all is well after the repair."""
    with Site(browser) as site:
        d = site.daemon
        site.open_overview()
        d.simulate("--vehicles", 5, "--rate", 5, "--duration", 1)
        wait_until("the second sink has a folder", lambda: os.path.isdir(d.path("blocked")))
        os.rename(d.path("blocked"), d.path("gone"))
        with open(d.path("blocked"), "w"):  # a file where the sink's folder should be
            d.simulate("--vehicles", 5, "--rate", 5, "--duration", 1)
            browser.wait("the failing sink is displayed", "document.getElementById('verdict').innerText"
                         ".includes('The sink \"second\" does not work')")
        assert "bad" in browser.ask("document.getElementById('health').className")
        assert browser.text("#remedy").startswith("Correct the cause")
        assert browser.ask("document.title").startswith("⚠ The sink \"second\"")
        assert "blocked" in browser.text(".part.bad") and "down" in browser.text(".part.bad"), browser.text("#sinks")
        site.check_page("failing-sink")
        os.unlink(d.path("blocked"))
        browser.wait("all is well again", "document.getElementById('verdict').innerText.startsWith('Everything works')")
        assert "Last error" in browser.text("#sinks")


def thousand(browser):
    """A thousand vehicles: 50 on a page, the others by search and by paging."""
    with Site(browser) as site, site.load("--vehicles", 1000, "--rate", 0.2):
        site.open_overview()
        browser.wait("a thousand are counted", "document.getElementById('vehicle_count').innerText"
                     f".startsWith('1,000 connected') && {ROWS} == 50", 60)
        assert browser.text(".pager span") == "1–50 of 1,000"
        site.check_page("overview-1000")
        first = browser.text("#vehicles a")
        browser.click(".pager button:last-child")
        browser.wait("the next page is displayed", "document.querySelector('.pager span').innerText == '51–100 of 1,000'"
                     f" && document.querySelector('#vehicles a').innerText != '{first}'")
        browser.type("#find", "kf000777")
        browser.wait("one is found", f"{ROWS} == 1")


# ---- what is missing ---------------------------------------------------------------------

def library_missing(browser):
    """Without Chart.js: the package to install, and the values in a table."""
    with Site(browser) as site:
        browser.block("*/lib/chart.js")
        site.open_overview()
        browser.wait("the package is named", "document.querySelector('.chart').innerText"
                     ".includes('install the package libjs-chart.js')")
        browser.wait("the values are in a table", "document.querySelectorAll('.chart table tbody tr').length > 0", 40)
        assert browser.ask("[...document.querySelectorAll('.plot')].every(p => p.hidden)")
    browser.block()
    browser.severe_log_messages()  # the requests that this part has blocked


def endpoint_missing(browser):
    """An endpoint that does not answer is named where its part would be; the rest of the page works."""
    with Site(browser) as site:
        browser.block("*/api/overview*")
        site.open_overview()
        browser.wait("the health is unknown", "document.getElementById('verdict').innerText.includes('/api/overview')")
        browser.wait("the sinks are displayed", "document.querySelectorAll('#sinks .part').length == 2")
        assert not browser.ask("document.getElementById('failure').hidden")
        browser.block()
        browser.wait("the charts are there", chart_is_drawn(0))
        browser.wait("the message is gone", "document.getElementById('failure').hidden")
    browser.severe_log_messages()


def away(browser):
    """The end of the daemon is displayed, and the page goes on when it is back."""
    with Site(browser) as site:
        site.open_overview()
        assert site.daemon.end() == 0
        browser.wait("the end is displayed", "document.getElementById('failure').innerText"
                     " == 'fleetrouted does not answer; the page tries again'")
        assert not browser.ask("document.getElementById('all').hidden")
        site.daemon.start()
        browser.wait("the page goes on", "document.getElementById('failure').hidden")
    browser.severe_log_messages()


# ---- acts --------------------------------------------------------------------------------

def confirm(browser):
    browser.wait("the question is displayed", "document.querySelector('dialog')?.open")
    browser.click("dialog form button:last-child")


def notice(browser, text):
    browser.wait(f"the outcome {text!r}", f"!document.getElementById('notice').hidden && document.getElementById('notice')"
                 f".innerText.includes({text!r})")


def acts(browser):
    """With a token: pause, resume, rewind, reload, each with its outcome; log out."""
    with Site(browser, token=True) as site:
        d = site.daemon
        d.simulate("--vehicles", 1, "--rate", 10, "--duration", 1)
        site.go()
        browser.wait("a token is asked for", "document.getElementById('login')?.hidden === false")
        browser.type("#token", "wrong-token-0123456789")
        browser.click("#login button")
        browser.wait("a wrong one is refused", "document.getElementById('login_problem').innerText == 'the token is wrong'")
        browser.severe_log_messages()  # Chromium reports each 401
        site.log_in()
        browser.wait("the buttons are displayed", "document.querySelector('#sinks .part button')?.hidden === false")
        browser.severe_log_messages()
        site.check_page("acts")
        archive = "#sinks .part:first-child"
        browser.click(f"{archive} button:nth-child(1)")
        browser.wait("the question has the focus inside", "document.querySelector('dialog')?.contains(document.activeElement)")
        browser.screenshot("acts-question")
        browser.press(ENTER)  # the focus is on Cancel
        browser.wait("cancelled", "document.querySelector('dialog') === null")
        assert d.status()["sinks"]["archive"]["health"] == "up"
        browser.click(f"{archive} button:nth-child(1)")
        confirm(browser)
        notice(browser, "paused")
        browser.wait("the card displays it", f"document.querySelector('{archive} .state').innerText == 'paused'")
        browser.wait("and so does the sentence", "document.getElementById('verdict').innerText.includes('is paused')")
        assert d.status()["sinks"]["archive"]["health"] == "degraded"
        browser.click(f"{archive} button:nth-child(2)")
        notice(browser, "resumed")
        wait_until("the sink works", lambda: d.status()["sinks"]["archive"]["health"] == "up")
        before = len(d.lines("V.jsonl"))
        browser.click(f"{archive} button:nth-child(3)")
        confirm(browser)
        wait_until("records are delivered again", lambda: len(d.lines("V.jsonl")) >= 2 * before)
        browser.click("#reload")
        notice(browser, "reload")
        d.routing = "records: [{type: V, to: [nowhere]}]"
        d.write()
        browser.click("#reload")
        notice(browser, "nowhere")
        browser.severe_log_messages()  # the status 409
        d.routing = ALL
        d.write()
        browser.click("#logout")
        browser.wait("a token is asked for again", "document.getElementById('login')?.hidden === false")
        log = d.log_text()
        assert all(f"{word} of \"archive\"" in log for word in ("pause", "resume", "rewind")), log
    browser.severe_log_messages()


# ---- records -----------------------------------------------------------------------------

RECORDS = "document.querySelectorAll('#records > li').length"


def live(browser):
    """Records as they arrive: filters, pause, a bound, the number of those that were dropped."""
    with Site(browser, token=True) as site:
        d = site.daemon
        site.go(f"live?vin={VIN}&field=Soc")
        site.log_in()
        browser.severe_log_messages()
        browser.wait("the stream is open", "document.getElementById('stream_state').innerText == 'connected'")
        d.say({"VehicleSpeed": 65.5}, {"Soc": 61.25, "Gear": "D"}, {"Soc": 12, "vin": "5YJ3E1EA7KF000002"})
        browser.wait("the record of the field is displayed", f"{RECORDS} == 1")
        assert "Soc 61.25" in browser.text("#records li"), browser.text("#records")
        browser.click("#records summary")
        browser.wait("its values are displayed", "document.querySelector('#records dl')?.innerText.includes('txid')")
        browser.click("#pause")
        d.say({"Soc": 60})
        browser.wait("one waits", "document.getElementById('stream_count').innerText.includes('1 wait')")
        assert browser.ask(RECORDS) == 1
        browser.click("#pause")
        browser.wait("both are displayed", f"{RECORDS} == 2")
        site.check_page("live")
        browser.ask("navigator.clipboard.writeText = (text) => { window.copied = text; return Promise.resolve(); }")
        browser.click("#copy")
        browser.wait("both are copied", "window.copied?.trim().split('\\n').map(JSON.parse).length == 2")
        browser.type("#vin", "")
        browser.type("#field", "")
        browser.click("#filter button")
        browser.wait("the stream is open", "document.getElementById('stream_state').innerText == 'connected'")
        d.simulate("--vehicles", 5, "--rate", 100, "--duration", 4)
        browser.wait("what was dropped is displayed", "document.getElementById('dropped').innerText.includes('not displayed')")
        browser.wait("the list is bounded", f"{RECORDS} == 300")
        assert not browser.severe_log_messages()
        browser.type("#field", "NoSuchField")
        browser.click("#filter button")
        browser.wait("the mistake in the filter is named", "document.getElementById('stream_state').innerText.includes('no such field')")
        browser.type("#field", "")
        browser.click("#filter button")
        browser.wait("the stream is open", "document.getElementById('stream_state').innerText == 'connected'")
    browser.severe_log_messages()  # the status 400


def hostile(browser):
    """Values of a vehicle are text: markup, 20,000 characters, right to left, NUL."""
    with Site(browser) as site:
        site.go("live")
        browser.wait("the stream is open", "document.getElementById('stream_state').innerText == 'connected'")
        for text in HOSTILE.values():
            site.daemon.say({"Version": text})
        browser.wait("the records are displayed", f"{RECORDS} == {len(HOSTILE)}")
        browser.ask("document.querySelectorAll('#records summary').forEach(s => s.click())")
        browser.wait("their values are displayed", f"document.querySelectorAll('#records dl').length == {len(HOSTILE)}")
        assert HOSTILE["markup"] in browser.ask("document.getElementById('records').textContent")
        assert browser.ask("document.querySelectorAll('#main img, #main script').length") == 0
        assert "before␀after␛[31m" in browser.ask("document.getElementById('records').textContent")
        assert browser.ask("[...document.querySelectorAll('#records bdi')].every(b => getComputedStyle(b).unicodeBidi == 'isolate')")
        assert browser.ask("document.title") == "Live records – fleetroute"
        site.check_page("hostile")


# ---- checklist and dead letters ----------------------------------------------------------

def checklist(browser):
    """The result of `fleetroute doctor`: each link with its remedy, hostile texts as text; only the problems."""
    with Site(browser) as site:
        site.go("checklist")
        browser.wait("it is not run yet", "document.getElementById('age').innerText == 'The checks have not been run yet.'"
                     " && document.getElementById('how').innerText.includes('fleetroute doctor')")
        links = [{"level": "ok", "id": "a", "title": "configuration", "subject": None, "text": "valid", "remedy": None},
                 {"level": "failure", "id": "b", "title": "sink", "subject": "second", "text": HOSTILE["markup"] + "W" * 900,
                  "remedy": "run `fleetroute check`"}]
        write_file(site.daemon.path("state/doctor.json"),
                   json.dumps({"run_ms": int(time.time() * 1000) - 7200000, "links": links}))
        site.go("checklist")
        browser.wait("two links are listed", "document.querySelectorAll('#links > li').length == 2")
        assert browser.text("#summary") == "1 failure; 1 link ok, 0 skipped."
        assert browser.text("#links .bad code") == "fleetroute check" and HOSTILE["markup"] in browser.text("#links")
        assert browser.text("#age").startswith("Checked 2\u00a0h ago")
        site.check_page("checklist")
        browser.click("#which input[value=problems]")
        browser.wait("the failure is left", "document.querySelectorAll('#links > li').length == 1")


LETTERS = "document.querySelectorAll('.letters > li').length"


def dead_letters(browser):
    """Dead letters are listed, chosen, sent again and dropped after a question."""
    sinks = f'  odd: {{plugin: fault, options: {{path: "@/odd", refuse: {VIN}}}}}'
    with Site(browser, "records: [{type: V, to: [odd]}]", token=True, sinks=sinks) as site:
        d = site.daemon
        d.say(*({"Soc": n, "Version": HOSTILE["markup"]} for n in range(60)))
        wait_until("60 dead letters", lambda: d.status()["sinks"]["odd"]["dead_letters"] == 60)
        site.go("dead-letters")
        site.log_in()
        browser.severe_log_messages()
        browser.wait("a page of them is listed, with what can be done", f"{LETTERS} == 50 && document.querySelectorAll('.letters input').length == 50")
        assert browser.text(".pager span") == "1–50 of 60" and browser.text("#sink option") == "odd (60)"
        browser.click(".letters summary")
        assert HOSTILE["markup"].replace('"', '\\"') in browser.text(".letters pre") and browser.ask("document.querySelectorAll('main img').length") == 0
        site.check_page("dead-letters")
        browser.click(".letters li:nth-child(2) input")
        browser.wait("one is chosen", "document.getElementById('drop').innerText == 'Drop 1'")
        browser.click("#drop")
        confirm(browser)
        browser.wait("59 are left", "document.querySelector('.pager span').innerText == '1–50 of 59'")
        d.sinks = '  odd: {plugin: fault, options: {path: "@/odd"}}'
        d.reload()
        browser.click("#resend_all")
        confirm(browser)
        browser.wait("none is left", "document.getElementById('list').innerText.includes('odd has no dead letters')")
        wait_until("they are delivered", lambda: d.status()["sinks"]["odd"]["delivered"] >= 59)
        assert not browser.severe_log_messages()


# ---- keyboard ----------------------------------------------------------------------------

def keyboard(browser):
    """The first Tab reaches the link to the content; what has the focus is outlined."""
    with Site(browser) as site:
        site.open_overview()
        browser.press(TAB)
        assert browser.ask("document.activeElement.className") == "skip"
        browser.press(ENTER)
        browser.wait("the content has the focus", "document.activeElement.id == 'main'")
        browser.press(TAB)
        assert browser.ask("document.getElementById('main').contains(document.activeElement)")
        assert browser.ask("getComputedStyle(document.activeElement).outlineStyle") == "solid"


@contextlib.contextmanager
def one_browser():
    with Browser() as browser:
        yield browser


if __name__ == "__main__":
    run_parts(empty, vehicles, owner, failing_sink, thousand, library_missing, endpoint_missing, away, acts, live,
              hostile, checklist, dead_letters, keyboard, context=one_browser)
