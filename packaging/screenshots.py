#!/usr/bin/env python3
"""Make the screenshots of README.md from a real run: the simulated trip at three times its speed beside two other cars.

    FR_BUILD=build packaging/screenshots.py [FOLDER]     writes overview.png, vehicle.png and phone.png (man/)"""
import os
import sys
import time

TOP = os.path.realpath(os.path.join(os.path.dirname(__file__), ".."))
os.environ.setdefault("top_srcdir", TOP)
sys.path.insert(0, os.path.join(TOP, "tests", "scenario"))

from browser import Browser  # noqa: E402
from fr import VIN, Daemon, free_port, wait_until  # noqa: E402

SECONDS = 200  # at most, of the trip
ROUTES = f"""vehicles: [{{vin: {VIN}, name: Melan Y}}, {{vin: 5YJ3E1EA7KF000100, name: Van 1}}, {{vin: 5YJ3E1EA7KF000101, name: Van 2}}]
records: [{{type: V, to: [archive, backup]}}, {{type: alerts, to: [archive]}}, {{type: connectivity, to: [archive]}}]"""
SINKS = """  archive: {plugin: file, options: {path: "@/%{type}.jsonl"}}
  backup: {plugin: file, options: {path: "@/backup/%{vin}.jsonl"}}"""


def take(browser, folder, name, url, width, height, ready):
    browser.resize(width, height)
    browser.go(url)
    browser.wait(f"{name} is complete", ready, 60)
    browser.ask("[...document.querySelectorAll('label, button')].find(e => e.innerText.trim() == '1 hour')?.click()")
    time.sleep(3)  # rates need two answers
    with open(os.path.join(folder, name + ".png"), "wb") as f:
        f.write(browser.screenshot(name))
    print(os.path.join(folder, name + ".png"))


def main():
    folder = sys.argv[1] if len(sys.argv) > 1 else os.path.join(TOP, "man")
    port = free_port()
    with Daemon(ROUTES, SINKS, f"admin: {{port: {port}}}\nhistory: {{}}", journal="{}") as d, Browser() as browser:
        vans = d.simulate_beside("--vehicles", 2, "--first", 100, "--rate", 2, "--duration", 3600)
        car = d.simulate_beside("--vin", VIN, "--speed", 3)
        try:
            wait_until("the car is at home", lambda: car.poll() is not None, SECONDS)
            here, charts = f"http://localhost:{port}", "document.querySelectorAll('.chart canvas').length == 3"
            take(browser, folder, "overview", here, 1280, 1080, charts)
            take(browser, folder, "vehicle", f"{here}/vehicle/{VIN}", 1280, 1400, "document.querySelector('canvas') !== null")
            take(browser, folder, "phone", f"{here}/vehicle/{VIN}", 390, 844, "document.querySelector('canvas') !== null")
        finally:
            for process in (vans, car):
                process.kill()
                process.wait()


if __name__ == "__main__":
    main()
