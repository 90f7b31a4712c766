#!/usr/bin/env python3
"""fleetroute keep with a fake Tesla cloud in simulated time: a quiet month and a month of failures with the number of
requests and the gaps in the stream; revoked consent, clock, full disk, budget, kills, two runs at once."""
import json
import os
import shutil
import signal
import subprocess
import sys
import time

from admin import get, promtool, value
from fr import BUILD, SOURCE, Daemon, fleetroute, free_port, run_parts, wait_until, write_file
from push import OTHER, Account

sys.path.insert(0, os.path.join(SOURCE, "tests"))
from fake_tesla.owner import VIN  # noqa: E402

HOUR, DAY = 3600, 86400
EVERY = HOUR  # between two runs; the package has 15 minutes


class Upkeep(Account):
    """An account whose vehicles have had their first push, and a clock."""

    def __init__(self):
        super().__init__()
        self.vins = [VIN, OTHER]
        for vin in self.vins:
            self.fake.vehicle(vin, paired=True)
        self.configure()
        self.push("--no-wait")
        self.now = self.start = time.time()
        self.set_clock()
        self.failures = []         # texts of runs with exit status 1
        self.gaps = {vin: [] for vin in self.vins}  # seconds without a valid configuration

    def set_clock(self):
        self.fake.clock(at=self.now)

    def keep(self, status=0, words=()):
        self.set_clock()
        done = self.command("keep", "--now", str(int(self.now)))
        assert status is None or done.returncode == status, (done.returncode, done.stdout, done.stderr)
        for word in words:
            assert word in done.stdout + done.stderr, (word, done.stdout, done.stderr)
        return done

    def is_valid(self, vin):
        config = self.fake.vehicles[vin].claims
        return config is not None and config["exp"] > self.now

    def run(self, days):
        """Runs of keep for some simulated days. Gaps are noted."""
        end = self.now + days * DAY
        while self.now < end:
            self.now += EVERY
            self.set_clock()
            for vin, gaps in self.gaps.items():
                if vin in self.fake.vehicles and not self.is_valid(vin):
                    if not gaps or gaps[-1][1] < self.now - EVERY - 1:
                        gaps.append([self.now, self.now])
                    gaps[-1][1] = self.now
            done = self.keep(status=None)
            if done.returncode != 0:
                self.failures.append((round((self.now - self.start) / DAY, 2), done.stderr))

    def log_in_again(self):
        """What setup does: new tokens, of the simulated time."""
        self.set_clock()
        pair = self.owner.log_in()
        write_file(f"{self.path}/state/tokens.json", json.dumps({
            "access_token": pair["access_token"], "refresh_token": pair["refresh_token"],
            "base_url": self.fake.url("eu"), "scopes": "openid offline_access vehicle_device_data vehicle_location",
            "client_id": self.owner.ID, "access_expires_ms": int(self.now * 1000) + 8 * HOUR * 1000,
            "refresh_issued_ms": int(self.now * 1000)}))
        os.chmod(f"{self.path}/state/tokens.json", 0o600)

    def change_routes(self, seconds):
        self.routes = f"fields:\n  - {{field: Soc, to: home, every: {seconds} s}}\n"
        self.configure()

    def change_ca(self):
        """The server gets a certificate of another CA, as after a renewal."""
        folder = f"{self.path}/other"
        shutil.rmtree(folder, ignore_errors=True)
        fleetroute("simulate", "--pki", folder, "--pki-only", "--host", "car.example.com")
        for name in ("server.pem", "server.key", "server-ca.pem"):
            shutil.copy(f"{folder}/{name}", f"{self.path}/{name}")
        with open(f"{folder}/server-ca.pem") as file:
            return file.read()

    def interval(self):
        return self.fake.config(VIN)["fields"]["Soc"]["interval_seconds"]

    def calls(self):
        log = list(self.fake.log)
        return {name: sum(e.endpoint == name for e in log)
                for name in ("token", "config_get", "config_post", "config_delete", "fleet_status")}

    def longest_gaps(self):
        return {vin: [round((end - begin + EVERY) / HOUR) for begin, end in gaps] for vin, gaps in self.gaps.items()}

    def tokens_file(self):
        with open(f"{self.path}/state/tokens.json") as file:
            return json.load(file)

    def posts_between(self):
        """Seconds between two posts that name the same vehicle; the fake's log has no bodies, so between any two."""
        times = [e.time for e in self.fake.log if e.endpoint == "config_post"]
        return [later - earlier for earlier, later in zip(times, times[1:])]


def quiet_month(u):
    """Nothing happens: a read-back a day for each vehicle, one push before the expiry, no gap."""
    billed = u.fake.billed()
    before = u.calls()
    u.run(31)
    after = u.calls()
    made = {name: after[name] - before[name] for name in after}
    print(f"quiet month, 2 vehicles: {u.fake.billed() - billed} billed requests: {made}; "
          f"gaps in hours: {u.longest_gaps()}")
    assert u.failures == [], u.failures
    assert not any(u.gaps.values()), u.gaps
    assert made["config_post"] == 1 and made["config_delete"] == 0, made
    assert made["config_get"] <= 2 * 33 and made["token"] <= 34 and made["fleet_status"] <= 1, made
    state, vehicle = u.state()
    assert vehicle["exp_s"] == u.fake.config(VIN)["exp"] > u.now + 15 * DAY
    assert state["run_ms"] == state["success_ms"] and state["run_ms"] // 1000 == int(u.now) and state["failure"] == "", state
    assert u.now - state["refresh_ms"] / 1000 <= 31 * DAY, state


def month_of_failures(u):
    """Routes, CA, billing limit, 429 and 5xx storms, revoked consent, wiped and sold vehicles."""
    billed, before = u.fake.billed(), u.calls()
    u.run(2)
    u.change_routes(30)
    u.run(0.1)
    assert u.interval() == 30
    u.run(1)
    ca = u.change_ca()
    u.run(0.1)
    assert u.fake.config(VIN)["ca"] == ca == u.fake.config(OTHER)["ca"]
    u.run(1)

    # The billing limit for 30 hours. The configurations are gone, and keep calls seldom.
    calls = len(u.fake.log)
    u.fake.exceed_limit()
    u.run(1.25)
    limited = len(u.fake.log) - calls
    state, vehicle = u.state()
    assert state["blocked"] == "exceeded_limit" and vehicle["problem"] == "removed", state
    u.fake.lift_limit()
    u.run(1)
    assert u.is_valid(VIN) and u.is_valid(OTHER)
    print(f"{limited} requests in 30 hours at the billing limit")
    assert limited <= 8, limited

    # Storms of 429 and 5xx while the routes change.
    for status in (429, 503):
        calls = len(u.fake.log)
        u.fake.fault("*", status)
        u.change_routes(40 if status == 429 else 50)
        u.run(1)
        stormy = len(u.fake.log) - calls
        u.fake.clear_faults()
        u.run(0.5)
        assert u.interval() == (40 if status == 429 else 50)
        print(f"{stormy} requests in 24 hours of {status}")
        assert stormy <= 12, stormy

    # Consent is revoked, and granted again two days later.
    u.fake.revoke_consent()
    u.run(1)
    calls = len(u.fake.log)
    u.run(1)
    revoked = len(u.fake.log) - calls
    state, vehicle = u.state()
    assert state["login_required"] and "fleetroute setup" in state["failure"], state
    print(f"{revoked} requests in 24 hours without consent")
    assert revoked <= 1, revoked
    u.log_in_again()
    u.run(0.1)
    assert u.is_valid(VIN) and u.is_valid(OTHER) and not u.state()[0]["login_required"]
    u.run(1)

    # Tesla removes a configuration without a message.
    u.fake.wipe(VIN)
    u.run(1.1)
    assert u.is_valid(VIN)

    # A vehicle is sold. The other one goes on.
    calls = len(u.fake.log)
    u.fake.sell(OTHER)
    u.run(2)
    assert u.state(OTHER)[1]["problem"] == "not_found" and u.state(VIN)[1]["problem"] == ""
    u.change_routes(60)
    u.run(0.1)
    assert u.interval() == 60
    assert len(u.fake.log) - calls < 14, len(u.fake.log) - calls
    u.run(30 - (u.now - u.start) / DAY)
    u.vins = [VIN]
    u.configure()
    u.run(0.1)
    assert u.state(OTHER)[1] is None

    after = u.calls()
    gaps = u.longest_gaps()
    print(f"month of failures, 2 vehicles: {u.fake.billed() - billed} billed requests: "
          f"{ {name: after[name] - before[name] for name in after} }; gaps in hours: {gaps}; "
          f"{len(u.failures)} runs reported a failure")
    assert u.fake.billed() - billed < 250
    assert min(u.posts_between()) >= HOUR - 2, u.posts_between()
    # The limit of 30 h and its last back-off, consent of 48 h, one read-back a day; nothing else.
    assert len(gaps[VIN]) == 3 and max(gaps[VIN]) <= 56 and gaps[VIN][2] <= 26, gaps
    assert len(gaps[OTHER]) == 2, gaps


def rate(u):
    """Not more than one push in push_every, whatever changes; a run in which nothing is due makes no request."""
    u.configure("  push_every: 6 h\n")
    u.now += 2 * HOUR
    u.keep()
    calls = len(u.fake.log)
    for step in range(20):
        u.now += 15 * 60
        u.routes = f"fields:\n  - {{field: Soc, to: home, every: {60 + step} s}}\n"
        u.configure("  push_every: 6 h\n")
        u.keep()
    posts = sum(e.endpoint == "config_post" for e in u.fake.log[calls:])
    assert posts == 1, posts
    u.now += HOUR
    u.keep()  # reads back what was pushed
    calls = len(u.fake.log)
    u.now += 15 * 60
    begun = time.monotonic()
    done = u.keep()
    print(f"a run without anything to do: {(time.monotonic() - begun) * 1000:.0f} ms")
    assert len(u.fake.log) == calls and done.stdout == done.stderr == "", done
    # A refused attempt counts, too.
    u.now += 7 * HOUR
    u.fake.fault("config_post", 400)
    u.keep(status=1, words=("400",))
    posts = u.calls()["config_post"]
    u.now += 5 * HOUR
    u.keep()
    assert u.calls()["config_post"] == posts
    u.now += HOUR + 60
    u.fake.clear_faults()
    u.keep(words=("routing.yaml changed",))


def slots(u):
    """A vehicle whose slots are full is tried once a day, and takes the configuration when one is free."""
    u.change_routes(30)
    u.fake.vehicles[VIN].slots_full = True
    u.now += 2 * HOUR
    u.keep(words=("routing.yaml changed",))
    u.run(3)
    assert u.state()[1]["problem"] == "limit_reached"
    assert u.calls()["config_post"] <= 2 + 4, u.calls()
    u.fake.vehicles[VIN].slots_full = False
    u.run(2.2)
    assert u.is_valid(VIN) and u.state()[1]["problem"] == "", u.state()


def clock(u):
    """A clock that is hours off pushes nothing, in both directions, and the message names the clock."""
    u.change_routes(30)
    for hours in (3, -3):
        posts = u.calls()["config_post"]
        cloud = u.now + 2 * HOUR
        u.fake.clock(at=cloud)
        done = u.command("keep", "--now", str(int(cloud + hours * HOUR)))
        assert done.returncode == 1 and "clock" in done.stderr, done
        assert u.calls()["config_post"] == posts
        u.unblock()
    u.now += 3 * HOUR
    u.keep(status=None)


def lost_state(u):
    """Without the state, or with a damaged one, keep reads back what vehicles have, and goes on."""
    for damage in ("", "{", '{"vehicles": 5}'):
        u.now += 2 * HOUR
        for vehicle in u.fake.vehicles.values():
            vehicle.synced = True
        u.unblock()
        if damage:
            write_file(f"{u.path}/state/state.json", damage)
        posts = u.calls()["config_post"]
        u.fake.vehicles[OTHER].claims = {**u.fake.vehicles[OTHER].claims, "port": 7}
        u.keep(status=None)
        assert u.state()[1]["synced_ms"] > 0 and u.state()[1]["exp_s"] == u.fake.config(VIN)["exp"], u.state()
        assert u.calls()["config_post"] == posts + 1 and u.fake.config(OTHER)["port"] == 4443
    # Nothing was ever pushed: that is the work of setup.
    u.unblock()
    u.fake.wipe(VIN, OTHER)
    u.now += 2 * HOUR
    posts = u.calls()["config_post"]
    u.keep()
    u.now += DAY + HOUR
    u.keep()
    assert u.calls()["config_post"] == posts


def owner_removed(u):
    """A configuration that the owner removed is not pushed again."""
    u.push("--remove", "--vin", VIN)
    u.run(2)
    assert u.fake.config(VIN) is None and u.is_valid(OTHER)


def full_disk(u):
    """Neither the state nor the tokens can be written: no push, the old files stay, and later all works."""
    if os.getuid() != 0:
        print("full_disk needs root, to mount a small file system")
        return
    folder = f"{u.path}/state"
    os.rename(folder, f"{u.path}/saved")
    os.mkdir(folder)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k,mode=700", "tmpfs", folder], check=True)
    try:
        for name in ("tokens.json", "state.json"):
            shutil.copy(f"{u.path}/saved/{name}", folder)
        write_file(f"{folder}/lock", "")
        u.change_routes(30)
        u.now += 12 * HOUR  # the access token has ended
        filler = os.open(f"{folder}/filler", os.O_WRONLY | os.O_CREAT)
        try:
            while True:
                os.write(filler, b"x" * 1024)
        except OSError:
            os.close(filler)
        before, calls = u.tokens_file(), len(u.fake.log)
        u.keep(status=1, words=("No space left",))
        assert len(u.fake.log) == calls and u.tokens_file() == before
        os.remove(f"{folder}/filler")
        u.keep(words=("routing.yaml changed",))
        assert u.tokens_file() != before
    finally:
        subprocess.run(["umount", folder], check=True)


def killed(u):
    """kill -9 at any moment: the refresh token on disk stays usable, and the rate of pushes is kept, though every second
    run is repeated within push_every."""
    kills, posts = 0, u.calls()["config_post"]
    for step in range(40):
        u.now += 9 * HOUR  # the access token has ended: refresh, read-back, push
        u.change_routes(30 + step)
        u.set_clock()
        requests = len(u.fake.log)
        process = subprocess.Popen(
            [f"{BUILD}/fleetroute", "keep", "-c", f"{u.path}/fleetroute.yaml", "--now", str(int(u.now))],
            env=u.environment(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        # Between the requests, and at several moments after each.
        wait = step % 4
        while process.poll() is None and len(u.fake.log) < requests + wait:
            time.sleep(0.0005)
        time.sleep(step // 4 * 0.001)
        if process.poll() is None:
            process.send_signal(signal.SIGKILL)
            kills += 1
        process.wait()
        if step % 8 < 4:
            u.now += HOUR / 4
            u.keep(status=None)
    assert kills > 10, kills
    print(f"{kills} of 40 runs were killed")
    u.now += 9 * HOUR
    u.change_routes(100)
    done = u.keep(status=None)
    assert "routing.yaml changed" in done.stdout, (done, u.state())
    refused = [e for e in u.fake.log if e.endpoint == "token" and e.status not in (200, None)]
    assert refused == [], refused
    # The fake may log the request of a killed run late, so the posts are counted.
    assert u.calls()["config_post"] - posts <= 41, u.calls()


def at_once(u):
    """Of two runs at once, the second reports that and exits with 0; one push."""
    u.change_routes(30)
    u.now += 9 * HOUR
    u.set_clock()
    posts, tokens = u.calls()["config_post"], u.calls()["token"]
    u.fake.fault("config_post", "delay", 1, seconds=6)
    first = subprocess.Popen([f"{BUILD}/fleetroute", "keep", "-c", f"{u.path}/fleetroute.yaml", "--now",
                              str(int(u.now))], env=u.environment(), stdout=subprocess.PIPE, text=True)
    wait_until("the first run has the lock", lambda: u.calls()["token"] > tokens)
    second = u.keep(words=("nothing done",))
    assert second.returncode == 0 and first.poll() is None, second
    assert "routing.yaml changed" in first.communicate()[0] and first.returncode == 0
    assert u.calls()["config_post"] == posts + 1 and u.calls()["token"] == tokens + 1


def budget(u):
    """Over the budget nothing is pushed; above it in this month configurations are removed until the next month."""
    u.change_routes(1)
    u.configure("  budget: 0.01\n")
    u.now += 2 * HOUR
    posts = u.calls()["config_post"]
    u.keep(status=1, words=("projected to cost", "budget"))
    again = u.keep(status=1)
    assert again.stderr == "", again  # the same failure is reported once
    assert u.calls()["config_post"] == posts and u.state()[0]["over_budget"]
    u.configure("  budget: 10\n")
    u.keep(words=("routing.yaml changed",))
    state = u.state()[0]
    state["month_signals"] = 1500001
    write_file(f"{u.path}/state/state.json", json.dumps(state))
    u.now += 2 * HOUR
    u.keep(status=1, words=("removed the configuration", "over"))
    assert u.fake.config(VIN) is None and u.fake.config(OTHER) is None
    assert u.state()[1]["problem"] == "over_budget"
    u.now += HOUR
    calls = len(u.fake.log)
    u.keep(status=1)
    assert len(u.fake.log) == calls
    state = u.state()[0]
    state["requests_month"] -= 1  # the month ends
    write_file(f"{u.path}/state/state.json", json.dumps(state))
    u.keep(words=("pushed the configuration",))
    assert u.is_valid(VIN) and u.is_valid(OTHER) and not u.state()[0]["over_budget"]


def one_bad_vehicle(u):
    """Answers about one vehicle that are refused or malformed do not stop the upkeep of the other one."""
    bad = f"/api/1/vehicles/{VIN}/fleet_telemetry_config"
    for days, status, body in ((30, 403, {"error": "forbidden"}), (2, 400, {"error": "no"}), (2, 200, {"response": 5})):
        u.fake.fault(bad, "error", status=status, body=body)
        calls, failed = u.calls(), len(u.failures)
        u.run(days)
        made = {name: u.calls()[name] - calls[name] for name in calls}
        assert not u.gaps[OTHER] and u.is_valid(OTHER), (status, u.gaps)
        assert made["config_post"] <= 2 and made["config_get"] <= days * 3 + 3, made
        assert VIN in u.failures[failed][1] and u.state()[1]["problem"] == "check_failed", u.state()
        assert len(u.failures) - failed <= days * 2 + 1
        u.fake.clear_faults()
        u.now += DAY
        u.keep()
        assert u.state()[1]["problem"] == "", u.state()
    # All vehicles at once: the account is the cause, and the back-off counts.
    u.vins = [VIN, OTHER, *(f"5YJ3E1EA7KF00010{number}" for number in range(4))]
    for vin in u.vins[2:]:
        u.fake.vehicle(vin, paired=True)
    u.configure()
    u.now += DAY
    u.keep()
    u.now += DAY
    u.fake.fault("config_get", "error", status=403, body={"error": "forbidden"})
    calls = u.calls()["config_get"]
    u.keep(status=1)
    assert u.calls()["config_get"] - calls == 3
    assert u.state()[0]["blocked"] == "missing_scope", u.state()
    # The removal over the budget.
    u.fake.clear_faults()
    u.now += DAY
    u.keep()
    u.fake.fault(bad, "error", status=403, body={"error": "forbidden"})
    state = u.state()[0]
    state["month_signals"] = 15000010
    write_file(f"{u.path}/state/state.json", json.dumps(state))
    u.keep(status=1, words=("removed the configuration",))
    assert u.fake.config(VIN) is not None and all(u.fake.config(vin) is None for vin in u.vins[1:])
    calls = len(u.fake.log)
    u.keep()
    assert len(u.fake.log) == calls  # the back-off
    u.fake.clear_faults()
    u.now += HOUR
    u.keep(status=1, words=("removed the configuration",))
    assert u.fake.config(VIN) is None


def mistakes(u):
    """Mistakes in files are reported once and stand in the state; tokens are refreshed all the same."""
    old = u.tokens_file()["refresh_token"]
    u.now += 31 * DAY
    u.routes = "fields: [{field: Sock, to: home}]\n"
    u.configure()
    u.keep(status=1, words=("Sock",))
    assert u.tokens_file()["refresh_token"] != old and "Sock" in u.state()[0]["failure"]
    u.now += HOUR
    assert u.keep(status=1).stderr == ""
    u.change_routes(30)
    u.keep(words=("routing.yaml changed",))
    assert u.state()[0]["failure"] == ""
    # Without the section, without a folder: nothing to do.
    write_file(f"{u.path}/bare.yaml", "listen: {port: 4443}\nrouting: routing.yaml\n"
               "tls: {certificate: server.pem, key: server.key, vehicle_ca: vehicle-ca.pem}\n"
               "sinks: {home: {plugin: mqtt}}\n")
    done = fleetroute("keep", "-c", f"{u.path}/bare.yaml", check=False)
    assert (done.returncode, done.stdout) == (0, ""), done
    os.rename(f"{u.path}/state", f"{u.path}/gone")
    assert u.keep().stdout == ""
    assert not os.path.exists(f"{u.path}/state")


def hostile_answers(u):
    """Answers that are no answers are failures with a back-off, in printable text, and end with them."""
    for kind in ("html", "garbage", "deep", "hostile", "truncated", "close", "redirect", "huge", 404, 421, 424, 500):
        u.now += 9 * HOUR
        u.unblock()
        u.fake.fault("*", kind)
        done = u.keep(status=None)
        u.fake.clear_faults()
        assert done.returncode in (0, 1) and (kind == 404 or done.returncode == 1), (kind, done)
        assert all(c.isprintable() or c == "\n" for c in done.stdout + done.stderr), (kind, done)
        state = u.state()[0]
        assert kind == 404 or (state["blocked_until_ms"] > u.now * 1000 and state["failure"]), (kind, state)
        u.now += 7 * HOUR
        u.keep()
    assert u.is_valid(VIN) and u.is_valid(OTHER)
    # A fault of one request: what was done before it stands, the rest is done later.
    u.change_routes(30)
    u.now += 9 * HOUR
    u.fake.fault("config_post", "truncated", 1)
    u.keep(status=1)
    u.now += 2 * HOUR
    u.keep(words=("routing.yaml changed",))


def daemon(u):
    """The daemon publishes the state, and the journal is counted. What keep does badly is a warning and no more."""
    admin = free_port()
    tesla = (f"admin: {{port: {admin}}}\ntesla:\n  domain: car.example.com\n  client_id: {u.owner.ID}\n"
             f"  client_secret_file: {u.path}/secret\n  key: {u.path}/keys/command-key.pem\n  folder: {u.path}/state\n"
             f"  base_url: {u.fake.url('eu')}\n  auth_url: {u.fake.url('auth')}\n  api_ca: {u.fake.ca}\n")
    routes = f"vehicles: [{VIN}, {OTHER}]\nfields: [{{field: [Soc, Gear], to: archive, every: 60 s}}]\n"
    d = Daemon(routes, '  archive: {plugin: file, options: {path: "@/V.jsonl"}}', tesla, journal="{}")
    for name in ("server.pem", "server.key"):
        shutil.copy(f"{u.path}/{name}", d.path(name))
    state_file = f"{u.path}/state/state.json"

    def keep():
        u.set_clock()
        done = fleetroute("keep", "-c", d.path("fleetroute.yaml"), "--now", str(int(u.now)), env=u.environment())
        u.no_secrets(done.stdout + done.stderr)

    def change(**members):
        write_file(state_file, json.dumps({**u.state()[0], **members}))

    def warning(text):
        status = d.status()["keep"]
        return status["health"] == "warning" and text in status["why"]

    with d:
        keep()
        d.say(*({"Soc": 50 + n, "Gear": "D"} for n in range(5)))
        u.now += 7 * HOUR
        keep()
        assert u.state()[0]["month_signals"] == 10, u.state()
        wait_until("the daemon has the state", lambda: d.status()["keep"]["month_signals"] == 10, 30)
        status = d.status()["keep"]
        assert status["health"] == "up" and status["why"] == "", status
        assert status["vehicles"] == {"known": 2, "valid": 2, "waiting": 2, "problems": {}}, status
        assert status["first_exp_s"] == u.fake.config(VIN)["exp"], status
        u.no_secrets(json.dumps(status) + get(admin, "/metrics")[1])
        metrics = get(admin, "/metrics")[1]
        assert "fleetroute_" not in promtool(metrics).stderr, promtool(metrics).stderr
        assert value(metrics, "fleetroute_keep_up") == 1 and value(metrics, "fleetroute_config_valid_vehicles") == 2
        assert value(metrics, "fleetroute_spend_budget_usd") == 10
        assert "keep " in fleetroute("status", "-s", d.control).stdout
        old = int((time.time() - 3 * DAY) * 1000)
        change(run_ms=old)
        wait_until("the missing run", lambda: warning("has not run for two days"), 30)
        metrics = get(admin, "/metrics")[1]
        assert value(metrics, "fleetroute_keep_up") == 0
        assert abs(value(metrics, "fleetroute_keep_run_timestamp_seconds") - old / 1000) < 1
        assert get(admin, "/readyz")[0] == 200
        change(login_required=True)
        wait_until("the revoked consent", lambda: warning("fleetroute setup"), 30)
        # Files that are no state: the daemon neither waits nor fails.
        write_file(state_file, "{")
        wait_until("the damaged file", lambda: warning("state.json is damaged"), 30)
        os.remove(state_file)
        os.mkfifo(state_file)
        wait_until("a pipe", lambda: warning("is not a file of this program"), 30)
        os.remove(state_file)
        wait_until("no file", lambda: d.status()["keep"]["health"] == "up", 30)


if __name__ == "__main__":
    run_parts(quiet_month, month_of_failures, rate, slots, clock, lost_state, owner_removed, full_disk, killed, at_once,
              budget, one_bad_vehicle, mistakes, hostile_answers, daemon, each=Upkeep)
