#!/usr/bin/env python3
"""The status page in a real Chromium: no vehicle, three, a thousand; a sink that fails; a token;
a phone. FR_SCREENSHOTS=FOLDER keeps what it looked like."""
import os
import signal

from browser import Browser
from fr import Daemon, free_port, vector

TOKEN = "a-token-for-the-page-0123"
VIN = "5YJ3E1EA7KF000001"
ROUTES = "records: [{type: V, to: [archive, second]}]"
NAMED = f"vehicles: [{{vin: {VIN}, name: Melan Y}}]\n" + ROUTES
SINKS = """  archive: {plugin: file, options: {path: "@/V.jsonl"}}
  second: {plugin: file, retry: {min: 20 ms, max: 50 ms}, options: {path: "@/blocked/%{vin}.jsonl"}}"""
ROWS = "document.querySelectorAll('#vehicles tr').length"
WIDE = "document.documentElement.scrollWidth > document.documentElement.clientWidth"


def nobody_yet(page):
    page.wait("the page is there", "document.getElementById('verdict').innerText == 'healthy'")
    assert page.ask(ROWS) == 0
    assert "no vehicle has connected yet" in page.text("#more")
    page.screenshot("status-0")


def three(page, d):
    cars = d.simulate_beside("--vehicles", 3, "--rate", 5, "--duration", 600)
    page.wait("three vehicles are shown", f"{ROWS} == 3")
    page.wait("with a rate each", "[...document.querySelectorAll('#vehicles tr')].every("
              "r => Number(r.cells[4].innerText) > 1)")
    page.wait("and in all", "Number(document.querySelectorAll('.fact b')[1].innerText) > 5")
    assert page.text("#vehicle_count") == "3 connected, 3 known"
    page.screenshot("status-3")
    cars.send_signal(signal.SIGINT)  # as if its duration was over
    cars.wait()


def failing_sink(page, d):
    os.rename(d.path("blocked"), d.path("gone"))
    with open(d.path("blocked"), "w"):  # a file where the sink's folder should be
        d.simulate("--vehicles", 5, "--rate", 5, "--duration", 1)
        page.wait("the failing sink is displayed", "document.getElementById('verdict').innerText"
                  ".includes('second is down')")
    assert "blocked" in page.text(".sink.down"), page.text("#sinks")
    assert "second is down" in page.ask("document.title")
    page.screenshot("status-failing-sink")
    page.resize(390, 844)
    assert not page.ask(WIDE)
    page.screenshot("status-phone-failing-sink")
    page.resize(1280, 900)
    os.unlink(d.path("blocked"))
    page.wait("all is well again",
              "document.getElementById('verdict').innerText == 'healthy'")
    assert "ago:" in page.text("#sinks")  # the last error is still displayed


def thousand(page, d):
    cars = d.simulate_beside("--vehicles", 1000, "--rate", 0.2, "--duration", 600)
    page.wait("a thousand are shown", f"{ROWS} == 1000 && document.getElementById('vehicle_count')"
              ".innerText.startsWith('1,000 connected')", 60)
    page.screenshot("status-1000")
    page.resize(390, 844)
    assert not page.ask(WIDE)
    page.screenshot("status-phone-1000")
    page.resize(1280, 900)
    vin = page.ask("document.querySelectorAll('#vehicles tr')[500].cells[0].innerText")
    page.ask(f"(i => {{ i.value = '{vin}'; i.dispatchEvent(new Event('input')) }})"
             "(document.getElementById('find'))")
    page.wait("one is found", f"{ROWS} == 1")
    cars.send_signal(signal.SIGINT)  # as if its duration was over
    cars.wait()


def named(page, d):
    """An owner's phone: the car by its name and first, the operator's figures below."""
    page.resize(390, 844)
    page.go(f"http://127.0.0.1:{port}/")
    car = d.car()
    car.send(vector("01_v_three_datums"))
    assert car.receive_reply()[0] == "ack"
    page.wait("the car is listed", f"{ROWS} == 1")
    cell = "document.querySelector('#vehicles td')"
    assert page.ask(f"{cell}.innerText") == "Melan Y" and page.ask(f"{cell}.title") == VIN
    top = "document.querySelector('{}').getBoundingClientRect().top"
    tops = [page.ask(top.format(section)) for section in ("#vehicles", "#sinks", "#facts")]
    assert tops == sorted(tops), tops
    assert page.ask("document.getElementById('find').hidden") and not page.ask(WIDE)
    assert page.ask("(w => w.scrollWidth <= w.clientWidth)(document.querySelector('.wide'))")  # no column is cut
    assert page.ask("formatDelay(delayQuantile({10: 99, 60000: 0, more: 1}, 0.99))") == (
        "99 of 100 were delivered within 10\u00a0ms")
    assert page.ask("formatDelay(delayQuantile({10: 9, 60000: 0, more: 1}, 0.99))") == (
        "since the start, more than 1 of 100 waited over 60\u00a0s: what waited during an outage counts, too")
    page.screenshot("status-phone-named")
    page.resize(1280, 900)
    assert page.ask(top.format("#facts")) < page.ask(top.format("#vehicles"))
    page.screenshot("status-named")
    car.close()


def locked(page, d):
    page.resize(390, 844)
    page.go(f"http://127.0.0.1:{port}/")
    page.wait("a token is asked for", "document.getElementById('verdict').innerText == "
              "'a token is required' && !document.getElementById('login').hidden")
    page.screenshot("status-phone-token")
    page.ask(f"(() => {{ document.getElementById('token').value = '{TOKEN}';"
             "document.querySelector('#login button').click() })()")
    page.wait("the page is there", "document.getElementById('verdict').innerText == 'healthy'")
    assert not page.ask(WIDE)


port = free_port()
with Browser() as browser:
    with Daemon(ROUTES, SINKS, f"admin: {{port: {port}}}", journal="{}") as daemon:
        browser.go(f"http://127.0.0.1:{port}/")
        nobody_yet(browser)
        three(browser, daemon)
        failing_sink(browser, daemon)
        thousand(browser, daemon)
        assert not browser.severe_log_messages(), browser.severe_log_messages()
    browser.wait("the end of the daemon is displayed", "document.getElementById('verdict').innerText == "
                 "'fleetrouted does not answer'")
    with Daemon(NAMED, SINKS, f"admin: {{port: {port}}}", journal="{}") as daemon:
        named(browser, daemon)
    daemon = Daemon(ROUTES, SINKS, f"admin: {{port: {port}, token_file: token}}")
    with open(daemon.path("token"), "w") as f:
        f.write(TOKEN + "\n")
    with daemon:
        locked(browser, daemon)
