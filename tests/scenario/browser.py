"""A headless Chromium, driven by chromedriver over the WebDriver protocol."""
import base64
import json
import os
import shutil
import subprocess
import tempfile
import urllib.request

from fr import PATIENCE, free_port, skip, wait_until

CHROME = ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
          "--disable-background-networking", "--disable-component-update", "--disable-sync",
          "--disable-dev-shm-usage", "--hide-scrollbars"]


class Browser:
    def __init__(self, width=1280, height=900):
        if not shutil.which("chromedriver") or not shutil.which("chromium"):
            skip("chromium and chromium-driver are needed")
        self.size, self.port = (width, height), free_port()
        self.folder = tempfile.mkdtemp(prefix="fr-browser.")

    def __enter__(self):
        self.driver = subprocess.Popen(["chromedriver", f"--port={self.port}"],
                                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wait_until("chromedriver is ready", self.ready)
        options = {"binary": shutil.which("chromium"),
                   "args": [*CHROME, f"--user-data-dir={self.folder}",
                            "--window-size={},{}".format(*self.size)]}
        answer = self.call("POST", "/session", {"capabilities": {"alwaysMatch": {
            "browserName": "chrome", "goog:chromeOptions": options,
            "goog:loggingPrefs": {"browser": "ALL"}}}})
        self.session = f"/session/{answer['sessionId']}"
        return self

    def __exit__(self, *_):
        try:
            self.call("DELETE", self.session)
        finally:
            self.driver.kill()
            self.driver.wait()
            shutil.rmtree(self.folder, ignore_errors=True)

    def ready(self):
        try:
            return self.call("GET", "/status")["ready"]
        except OSError:
            return False

    def call(self, method, path, data=None):
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}{path}", method=method,
                                         data=json.dumps(data or {}).encode()
                                         if method == "POST" else None)
        with urllib.request.urlopen(request, timeout=60 * PATIENCE) as answer:
            return json.load(answer)["value"]

    def do(self, path, **data):
        return self.call("POST", self.session + path, data)

    def go(self, url):
        self.do("/url", url=url)

    def resize(self, width, height):
        """Set the width of the page in pixels: Chromium's window cannot be narrower than 500, a phone can."""
        self.do("/goog/cdp/execute", cmd="Emulation.setDeviceMetricsOverride",
                params={"width": width, "height": height, "deviceScaleFactor": 1, "mobile": True})

    def scheme(self, name):
        """Let the page be displayed to a user who prefers "light" or "dark"."""
        self.do("/goog/cdp/execute", cmd="Emulation.setEmulatedMedia",
                params={"features": [{"name": "prefers-color-scheme", "value": name}]})

    def block(self, *patterns):
        """Let requests for these addresses fail (* stands for any text); without arguments, for none."""
        self.do("/goog/cdp/execute", cmd="Network.enable", params={})
        self.do("/goog/cdp/execute", cmd="Network.setBlockedURLs", params={"urls": patterns})

    def click(self, selector):
        assert self.ask(f"(e => e && !e.disabled && !e.hidden ? (e.click(), true) : false)"
                        f"(document.querySelector({selector!r}))"), f"{selector} cannot be clicked"

    def type(self, selector, text):
        self.ask(f"(e => {{ e.value = {json.dumps(text)}; e.dispatchEvent(new Event('input', {{bubbles: true}}));"
                 f" e.dispatchEvent(new Event('change', {{bubbles: true}})) }})(document.querySelector({selector!r}))")

    def press(self, *keys):
        """Press keys one after another, such as "\ue004" (Tab) and "\ue007" (Enter)."""
        actions = [{"type": kind, "value": key} for key in keys for kind in ("keyDown", "keyUp")]
        self.do("/actions", actions=[{"type": "key", "id": "keyboard", "actions": actions}])

    def is_wide(self):
        """Whether the page scrolls horizontally."""
        return self.ask("document.documentElement.scrollWidth > document.documentElement.clientWidth")

    def accessibility_problems(self):
        """Serious findings of axe-core, whose file FR_AXE names; none without it."""
        if not os.environ.get("FR_AXE"):
            return []
        with open(os.environ["FR_AXE"], encoding="utf-8") as f:
            self.do("/execute/sync", script=f.read() + "; window.axe = axe", args=[])
        found = self.do("/execute/async", args=[], script="""const done = arguments[arguments.length - 1];
            axe.run(document, {resultTypes: ['violations']}).then((r) => done(r.violations
                .filter((v) => ['serious', 'critical'].includes(v.impact))
                .map((v) => [v.id, v.help, v.nodes.slice(0, 5).map((n) => n.html.slice(0, 200) + ' ' + n.failureSummary)])),
                (error) => done([String(error)]))""")
        return found

    def small_targets(self):
        """What a finger cannot hit: visible controls and links below 44 px, except links in a sentence and parts of a map."""
        return self.ask("""[...document.querySelectorAll('a[href], button, input, select, summary, textarea')].map((e) => {
            const label = ['checkbox', 'radio'].includes(e.type) ? e.closest('label') || e : e;
            return [e, label.getBoundingClientRect(), label === e && e.type === 'checkbox' ? 20 : 0];
        }).filter(([e, box, margins]) => e.checkVisibility({visibilityProperty: true}) && !e.closest('p, .skip, .leaflet-control-attribution')
            && !e.classList.contains('skip') && box.width > 0 && (box.height + margins < 43.5 || box.width + margins < 43.5))
            .map(([e, box]) => `${e.outerHTML.slice(0, 120)} ${Math.round(box.width)} x ${Math.round(box.height)}`).slice(0, 10)""")

    def ask(self, script):
        return self.do("/execute/sync", script=f"return {script}", args=[])

    def text(self, selector):
        return self.ask(f"document.querySelector({selector!r}).innerText")

    def wait(self, what, script, seconds=30):
        return wait_until(what, lambda: self.ask(script), seconds)

    def severe_log_messages(self):
        return [e["message"] for e in self.do("/se/log", type="browser") if e["level"] == "SEVERE"]

    def screenshot(self, name):
        """Take a screenshot. It is saved in the folder FR_SCREENSHOTS if that is set."""
        png = base64.b64decode(self.call("GET", self.session + "/screenshot"))
        if os.environ.get("FR_SCREENSHOTS"):
            with open(os.path.join(os.environ["FR_SCREENSHOTS"], name + ".png"), "wb") as f:
                f.write(png)
        return png
