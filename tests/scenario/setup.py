#!/usr/bin/env python3
"""fleetroute setup with the fake Tesla cloud: from a folder with certificates to the simulated car's first record,
with answers and in a terminal; killed at each step; with wrong answers; without a secret in any output."""
import os
import pty
import re
import select
import shutil
import signal
import stat
import subprocess
import tempfile
import termios
import time

from doctor_world import NAME, enter, hosts
from fr import BUILD, SOURCE, VIN, fleetroute, run_parts, wait_until, write_file

enter()

from fake_tesla import FakeTesla  # noqa: E402
from mosquitto import Mosquitto  # noqa: E402
from setup_world import LINK, MARK, SECRET, Home, private_file  # noqa: E402

STEPS = 18


class Cloud:
    def __enter__(self):
        self.folder = tempfile.TemporaryDirectory(prefix="fr-fake.")
        self.fake = FakeTesla(self.folder.name)
        return self.fake

    def __exit__(self, *_):
        self.fake.stop()
        self.folder.cleanup()
        assert not self.fake.mistakes, self.fake.mistakes


def answers():
    """One command and its answers: every step in its order, each file as it must be, and the car streams."""
    with Cloud() as fake, Home(fake) as home:
        _, output = home.run()
        steps = [int(n) for n in re.findall(rf"^== (\d+) of {STEPS}: ", output, re.M)]
        # Nothing is to be done for the region, which the answers name, and for the renewal.
        assert steps == [n for n in range(1, STEPS) if n != 10], steps
        assert output.count("\nok: ") == STEPS, output
        home.assert_streaming()
        assert "== fleetroute doctor" in output and "Data of the car 5YJ3E1EA7KF000001" in output, output
        assert re.search(r"^ +(Soc|Location|VehicleSpeed) ", output, re.M), output
        text = home.read("fleetroute.yaml")
        assert text.startswith("# The owner's remark.\ncontrol: c.sock\n"), text
        assert "  # budget: 3\n" in text and f"{MARK}\nlisten:\n  port: 443\n" in text, text
        assert SECRET not in text and home.read("tesla-secret") == SECRET + "\n"
        fleetroute("check", "-c", home.path("fleetroute.yaml"))
        billed = fake.billed()
        print(f"1 command, {re.search(r'([0-9]+) answers', output)[1]} answers, {home.seconds:.1f} s, "
              f"{billed} billed requests")
        again_is_quick(home, fake)


def again_is_quick(home, fake):
    """A second run asks nothing, changes no file and pushes nothing."""
    names = ("fleetroute.yaml", "routing.yaml", "tesla-secret", "keys/command-key.pem")
    before, pushes = [home.read(n) for n in names], fake.calls("config_post")
    home.answers = {"wait": "60 s"}
    _, output = home.run()
    assert "\n== " not in output.replace("\n== fleetroute doctor", "") and output.count("ok: ") >= STEPS, output
    assert [home.read(n) for n in names] == before and fake.calls("config_post") == pushes
    assert "0 answers" in output, output


def killed():
    """SIGKILL before and after each change of a file, and at each wait: the next run continues, and the end is the
    same."""
    with Cloud() as fake, Home(fake) as home:
        by_line, seen = 0, set()

        def kill(process, line):
            nonlocal is_killed
            if not is_killed and line not in seen and re.match("Waiting|Running|Registering", line):
                is_killed = True
                seen.add(line)
                process.kill()

        while True:
            is_killed = False
            if home.run(on_line=kill, check=False)[0] != -signal.SIGKILL:
                break
            by_line += 1
        home.assert_streaming()
    assert by_line >= 4, seen
    count = killed_at_changes()
    print(f"killed {by_line} times at a wait, {count} times at a change of a file")


def killed_at_changes():
    """Run after run is killed before the 1st to 8th rename, then behind it. Returns the number of kills."""
    with Cloud() as fake, Home(fake) as home:
        for count in range(200):
            preload = {"LD_PRELOAD": f"{BUILD}/.libs/killed.so",
                       "FR_KILLED_AT": f"{1 + count % 8}{'+' if count // 8 % 2 else ''}"}
            if home.run(check=False, environment=preload)[0] != -signal.SIGKILL:
                break
        code, output = home.run()
        assert code == 0 and "\n== 1" not in output and count >= 15, (count, output)
        home.assert_streaming()
        # Two pushes, if the record of the first one was not written.
        assert fake.calls("config_post") <= 2, fake.calls("config_post")
        return count


def killed_at_routes():
    """SIGKILL at each change of a file while the routes are set: routing.yaml has both kinds of routes or none.
    Record routes alone would count as the owner's choice, and no later run would set fields."""
    with Cloud() as fake, Home(fake) as home:
        home.run()
        whole, none, both = home.read("routing.yaml"), 0, 0
        without = whole[:min(whole.index(f"{MARK}\n{name}:") for name in ("records", "fields"))]
        assert "vehicles:" in without and "records:" not in without, whole
        for count in range(40):
            write_file(home.path("routing.yaml"), without)
            preload = {"LD_PRELOAD": f"{BUILD}/.libs/killed.so",
                       "FR_KILLED_AT": f"{1 + count // 2}{'+' if count % 2 else ''}"}
            code = home.run(check=False, environment=preload)[0]
            text = home.read("routing.yaml")
            has = [f"\n{name}:" in text for name in ("records", "fields")]
            assert has in ([True, True], [False, False]), (count, text)
            if code != -signal.SIGKILL:
                break
            none, both = none + (not has[0]), both + has[0]
        assert code == 0 and has[0] and none >= 2 and both >= 1, (code, none, both)
        print(f"killed {none} times before the routes were set, {both} times after it")


def expect_failure(home, *words, typed=None, **changes):
    """A run with these answers ends with status 1 and these words, and without a secret."""
    kept = {k: home.answers.get(k) for k in changes}
    home.answers.update(changes)
    code, output = home.run(check=False, typed=typed)
    home.answers.update(kept)
    assert code == 1 and all(w in output for w in words), (words, output)
    assert "fleetroute setup" in output
    print(f"{next(iter(changes), ''):20} {' '.join(output.strip().splitlines()[-2:])[:150]}")
    return output


def wrong_answers():
    """Each wrong or missing answer is named, with the remedy; corrected, the run continues."""
    with Cloud() as fake, Home(fake, {"wait": "3 s"}) as home:
        expect_failure(home, "no answer `account:`", account=None)
        expect_failure(home, "not ready", account="no")
        expect_failure(home, "`domain:`", domain="https://telemetry.example.com/")
        expect_failure(home, "no answer `domain:`", domain=None)
        expect_failure(home, 'has no "domian"', domian="x")
        home.answers.pop("domian")
        expect_failure(home, "`port:`", "1 to 65535", port="70000")
        hosts(None)
        expect_failure(home, NAME, "A record")
        hosts("198.51.100.7")
        expect_failure(home, "`certificate:`", "No such file", certificate=home.path("tls/absent.pem"))
        expect_failure(home, "is not the key of the certificate", key=home.path("tls/root.key"))
        # An encrypted key, whose passphrase the daemon would not have, is refused without a question.
        subprocess.run(["openssl", "pkey", "-in", home.path("tls/server.key"), "-aes-256-cbc", "-passout", "pass:phrase",
                        "-out", home.path("tls/encrypted.key")], check=True)
        output = expect_failure(home, "is not the key of the certificate", typed="phrase\n", key=home.path("tls/encrypted.key"))
        assert "pass phrase" not in output, output
        expect_failure(home, "no CA certificate", vehicle_ca=home.path("tls/server.key"))
        expect_failure(home, "no answer `client_id:`", client_id=None)
        expect_failure(home, "no answer `client_secret:` and no `client_secret_file:`", client_secret_file=None)
        os.chmod(home.path("secret"), 0o644)
        expect_failure(home, "chmod 600", client_id="fake-client-id")
        os.chmod(home.path("secret"), 0o600)
        private_file(home.path("secret"), "wrong-" + SECRET)
        expect_failure(home, "secret", client_id="fake-client-id")
        private_file(home.path("secret"), SECRET)
        expect_failure(home, "`region:`", region="europe")
        expect_failure(home, "no `redirect_file:`", redirect_file=None)
        fake.deny = True
        expect_failure(home, "consent", region="eu")
        fake.deny = False
        expect_failure(home, "has no vehicle 5YJ3E1EA7KF999999", vehicles=["5YJ3E1EA7KF999999"])
        fake.vehicles[VIN].pair_after = 100000
        output = expect_failure(home, "the pairing: not within 3 s", wait="3 s")
        assert f"https://tesla.com/_ak/{NAME}?vin={VIN}" in output
        fake.vehicles[VIN].paired = True
        expect_failure(home, "is none of file, home_assistant, mqtt", sinks="files")
        expect_failure(home, "the estimate is US$", budget="0.01")
        fake.vehicles[VIN].slots_full = True
        expect_failure(home, "slot", wait="3 s")
        fake.vehicles[VIN].slots_full = False
        home.answers["wait"] = "60 s"
        home.run()
        home.assert_streaming()


def files():
    """Files of the answers and of the owner: modes, and sections that setup does not own."""
    with Cloud() as fake, Home(fake) as home:
        home.write_answers()
        os.chmod(home.path("answers"), 0o640)
        run = subprocess.run(home.command("--answers", home.path("answers")), text=True, capture_output=True)
        assert run.returncode == 1 and "chmod 600" in run.stderr, run
        private_file(home.path("answers"), f"client_secret: [{SECRET}\n")
        run = subprocess.run(home.command("--answers", home.path("answers")), text=True, capture_output=True)
        assert run.returncode == 1 and "not YAML" in run.stderr and SECRET not in run.stderr, run
        run = subprocess.run(home.command(), text=True, capture_output=True, stdin=subprocess.DEVNULL)
        assert run.returncode == 1 and "not a terminal" in run.stderr, run
        write_file(home.path("fleetroute.yaml"), home.plumbing + "control: again\n")
        code, output = home.run(check=False)
        assert code == 1 and "is repeated" in output and "==" not in output, output
        # The owner's own section: exactly what to write is printed, and the file stays.
        write_file(home.path("fleetroute.yaml"), home.plumbing.replace(MARK + "\n", ""))
        output = expect_failure(home, "a section `tesla:` of yours", "\ntesla:\n  domain: " + NAME + "\n")
        assert "Change this in " in output
        owned = home.read("fleetroute.yaml").replace("  folder: tesla\n", f"  folder: tesla\n  domain: {NAME}\n")
        write_file(home.path("fleetroute.yaml"), owned)
        home.run(check=False)
        own = owned.split(MARK)[0].rstrip()  # behind it: the sections of setup
        assert home.read("fleetroute.yaml").startswith(own + "\n"), home.read("fleetroute.yaml")


def packaged():
    """The files of the package, which have examples and many comments: the examples are replaced, each comment on a
    line of its own stays."""
    with Cloud() as fake, Home(fake, {"sinks": ["file", "mqtt"], "mqtt_layout": "values", "mqtt_port": 1}) as home:
        with open(f"{SOURCE}/etc/fleetroute.yaml") as f:
            shipped = f.read().replace("user: fleetroute\n", "")
        write_file(home.path("fleetroute.yaml"), shipped + home.plumbing)
        shutil.copy(f"{SOURCE}/etc/routing.yaml", home.path("routing.yaml"))
        output = expect_failure(home, "the sink mqtt does not work", wait="60 s")  # no broker listens there
        assert "Change this in" not in output, output
        text, routing = home.read("fleetroute.yaml"), home.read("routing.yaml")
        lines = [line for line in shipped.splitlines() if line.lstrip().startswith("#")]
        with open(f"{SOURCE}/etc/routing.yaml") as f:
            lines += [line for line in f.read().splitlines() if line.lstrip().startswith("#")]
        missing = [line for line in lines if line not in (text + routing).splitlines()]
        assert not missing, missing
        assert f"certificate: {home.path('tls/server.pem')}\n" in text and "/var/lib/fleetroute" not in \
            "".join(line for line in text.splitlines() if "#" not in line), text
        assert text.index("\nlisten:") < text.index("\ntls:") < text.index("\nsinks:") < text.index("\ntesla:")
        home.answers["sinks"] = "file"
        # The owner repairs by hand what setup wrote: the sink without a broker is removed.
        begin = text.index("  mqtt:\n")
        end = text.index("      # %Y", begin)
        write_file(home.path("fleetroute.yaml"), text[:begin] + text[end:])
        home.run()
        home.assert_streaming()


class Terminal:
    """setup in a pseudo-terminal; the words of a person are typed when the prompt is there."""

    def __init__(self, home):
        self.home, self.output = home, ""
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.execve(f"{BUILD}/fleetroute", home.command(), home.environment())

    def more(self, seconds):
        if select.select([self.fd], [], [], seconds)[0]:
            try:
                self.output += os.read(self.fd, 65536).decode(errors="replace")
            except OSError:
                return False
        return True

    def expect(self, text, seconds=30):
        """Wait for a text behind the last expected one."""
        end = time.monotonic() + seconds
        while text not in self.output:
            assert self.more(0.2) and time.monotonic() < end, (text, self.output[-3000:])
        self.home.output += self.output
        before, _, self.output = self.output.partition(text)
        return before

    def echoes(self):
        return bool(termios.tcgetattr(self.fd)[3] & termios.ECHO)

    def type(self, prompt, answer="", secret=False):
        before = self.expect(prompt)
        if secret:
            wait_until("the echo is off", lambda: not self.echoes())
        else:
            assert self.echoes(), prompt
        os.write(self.fd, answer.encode() + b"\n")
        return before

    def end(self):
        while self.more(5):
            pass
        self.home.output += self.output
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])


def terminal():
    """A person in a terminal: prompts, defaults, wrong inputs that are asked again, no echo of secrets."""
    with Cloud() as fake, Home(fake) as home:
        begun = time.monotonic()
        t = Terminal(home)
        t.type("Is all of this ready", "perhaps")
        t.expect("answer yes or no")
        t.type("Is all of this ready", "yes")
        t.type("Domain that serves", "not a name")
        t.type("Domain that serves", NAME)
        t.type(f"Name that vehicles dial [{NAME}]")
        t.type("Port that vehicles dial [443]")
        t.type("router forwards it [443]")
        t.expect(f"certbot certonly --standalone --key-type ecdsa -d {NAME}")
        t.type("File of the certificate", home.path("tls/server.pem"))
        t.type("File of its key", home.path("tls/server.key"))
        t.type(f"File of Tesla's CAs [{home.path('tls/vehicle-ca.pem')}]")
        t.type("Start fleetrouted now (yes, no) [yes]")
        t.expect(f"Allowed origin URL   https://{NAME}\r\n")
        t.expect(f"https://{NAME}/callback\r\n")
        t.type("Client ID", "fake-client-id")
        t.type("Client secret (not displayed)", "wrong-secret-0000", secret=True)
        t.type("Press Enter to try this step again, or q to end.")
        t.type("Client ID [fake-client-id]")
        t.type("Client secret (not displayed)", SECRET, secret=True)
        t.type("Region of your Tesla account", "eu")
        link = consent_link(t)
        address = fake.authorise(link)
        home.codes.append(re.search(r"code=([^&]+)", address)[1])
        t.type("pasted from the browser (not displayed)", address.replace("state=", "state=x"), secret=True)
        t.type("Press Enter to try this step again, or q to end.")
        address = fake.authorise(consent_link(t))
        home.codes.append(re.search(r"code=([^&]+)", address)[1])
        t.type("pasted from the browser (not displayed)", address, secret=True)
        t.expect(f"1  {VIN}")
        t.type("Which vehicles stream", "2")
        t.expect("the numbers are 1 to 1")
        t.type("Which vehicles stream", "1")
        t.type(f"Name of {VIN}", "Melan Y")
        t.expect(f"https://tesla.com/_ak/{NAME}?vin={VIN}")
        t.type("Where the data go")
        t.type("Path of the files", home.path("archive/%{type}.jsonl"))
        t.type("Max US$ a month", "10")
        t.expect("Waiting for the first record")
        home.react("Waiting for the first record")
        t.expect("Data of the car")
        assert t.end() == 0, t.output
        home.assert_streaming()
        print(f"1 command, {re.search(r'([0-9]+) answers', home.output)[1]} answers, "
              f"{time.monotonic() - begun:.1f} s")


def consent_link(t):
    t.expect("leave\r\nall boxes ticked:")
    while not (found := LINK.search(t.output)) or "\r\n" not in t.output[found.start():]:
        assert t.more(10), t.output
    return found[0]


def signals():
    """Ctrl-C at a secret gives the terminal its echo back."""
    with Cloud() as fake, Home(fake) as home:
        home.answers["client_id"] = None
        home.run(check=False)
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            t = Terminal(home)
            before = t.type("Client ID", "fake-client-id")
            assert "Is all of this ready" not in before  # confirmed in the first run
            t.expect("Client secret (not displayed)")
            wait_until("the echo is off", lambda t=t: not t.echoes())
            os.kill(t.pid, number)
            wait_until("the echo is on", t.echoes)
            assert t.end() == -number
        assert not os.path.exists(home.path("tesla-secret"))


def service_user():
    """With `user:` the daemon runs as that user and reads its secret; the owner's secrets stay root's."""
    daemon = int(subprocess.check_output(["id", "-u", "daemon"]))
    mqtt = {"sinks": "mqtt", "mqtt_layout": "values", "mqtt_host": "127.0.0.1", "mqtt_port": 1,
            "mqtt_username": "owner", "mqtt_password": "mqtt-password-77"}  # no broker listens there
    for answers_ in ({}, mqtt):
        with Cloud() as fake, Home(fake, answers_) as home:
            os.chmod(home.folder, 0o755)
            for name in ("state", "archive"):
                shutil.chown(home.path(name, make=True), "daemon")
            write_file(home.path("fleetroute.yaml"),
                       "user: daemon\n" + home.plumbing.replace("control: c.sock", "control: state/c.sock"))
            if answers_:
                expect_failure(home, "the sink mqtt does not work", mqtt_port=1)
                assert os.stat(home.path("mqtt-password")).st_uid == daemon
            else:
                home.run()
                home.assert_streaming()
            names = ("tesla-secret", "keys/command-key.pem", "tesla/tokens.json", "routing.yaml")
            assert {os.stat(home.path(name)).st_uid for name in names} == {0}
            assert os.stat(f"/proc/{home.daemons()[0]}").st_uid == daemon


def broker():
    """The data go to a real MQTT broker with a password; a wrong password is named."""
    if not shutil.which("mosquitto"):
        print("no mosquitto: skipped")
        return
    with Cloud() as fake, Home(fake) as home:
        folder = home.path("broker", make=True)
        mosquitto = Mosquitto(folder, "reader", "-u", "owner", "-P", "mqtt-password-77", "-t", "tesla/#", "-v")
        subprocess.run(["mosquitto_passwd", "-b", "-c", f"{folder}/users", "owner", "mqtt-password-77"], check=True)
        with open(f"{folder}/conf") as f:
            text = f.read().replace("allow_anonymous true", f"allow_anonymous false\npassword_file {folder}/users")
        write_file(f"{folder}/conf", text)
        mosquitto.start()
        try:
            home.more_secrets = ["mqtt-password-77"]
            home.answers.update({"sinks": "mqtt", "mqtt_port": mosquitto.port, "mqtt_layout": "tesla",
                                 "mqtt_username": "owner", "mqtt_password": "wrong-password"})
            expect_failure(home, "the sink mqtt does not work", mqtt_host="localhost")
            home.answers["mqtt_password"] = "mqtt-password-77"
            home.run()
            os.unlink(home.path("answers"))
            wait_until("a field is at the broker", lambda: f"tesla/{VIN}/v/Soc" in home.read("broker/received"))
            home.assert_no_secrets()
            assert stat.S_IMODE(os.stat(home.path("mqtt-password")).st_mode) == 0o600
        finally:
            mosquitto.subscriber.kill()
            mosquitto.stop()


def second_vehicle():
    """The usual routes of two vehicles cost more than Tesla's credit: setup explains both remedies and takes a higher
    budget, only on an answer of the owner; push names both remedies."""
    other = "5YJ3E1EA7KF000002"
    with Cloud() as fake, Home(fake, {"vehicles": "all"}) as home:
        fake.vehicle(other, paired=True)
        home.answers.pop("budget")
        output = expect_failure(home, "`budget:`", "for 2 vehicles", "raise the billing limit", "routing.yaml")
        path = home.path("fleetroute.yaml")
        refused = fleetroute("push", "--no-wait", "-c", path, env=home.environment(), check=False)
        assert refused.returncode == 1 and not fake.calls("config_post"), refused
        for words in ("for 2 vehicles", "raise `tesla: budget:`", "billing limit", "longer `every:`"):
            assert words in refused.stderr, (words, refused)
        usd = re.search(r"US\$ ([0-9.]+) for\n2 vehicles", output)[1]
        assert 10 < float(usd) < 12, output
        t = Terminal(home)
        t.expect("raise the billing limit")
        t.type(f"Max US$ a month, at least {usd}")
        t.expect("An answer is needed")
        t.type("Max US$ a month", "10")
        t.expect("give more")
        t.type("Max US$ a month", "12")
        t.expect("the billing limit at developer.tesla.com must cover the rest")
        t.expect("Waiting for the first record")
        os.kill(t.pid, signal.SIGTERM)
        assert t.end() == -signal.SIGTERM
        assert fake.config(VIN) and fake.config(other) and "  budget: 12\n" in home.read("fleetroute.yaml")


def redacted():
    """--redact, and `log: {redact: true}`: neither the VIN nor an exact position is in the output of a command."""
    with Cloud() as fake, Home(fake) as home:
        home.answers["vehicles"] = "all"
        _, output = home.run(options=["--redact"])
        assert VIN not in output and f"https://tesla.com/_ak/{NAME}\n" in output, output
        assert re.search(r"Location +37\.39, -122\.11\n", output), output
        home.assert_streaming()
        commands = [["push", "--dry-run"], ["push", "--no-wait"], ["pair", "--no-wait"], ["doctor"]]
        for option in (["--redact"], []):
            for words in commands:
                done = fleetroute(*words, *option, "-c", home.path("fleetroute.yaml"), env=home.environment(),
                                  check=words != ["doctor"])
                assert VIN not in done.stdout + done.stderr and "5YJ" in done.stdout + done.stderr, (words, done)
            if option:
                with open(home.path("fleetroute.yaml"), "a") as f:
                    f.write("log: {redact: true}\n")
        home.answers = {"wait": "60 s"}
        assert VIN not in home.run()[1]


if __name__ == "__main__":
    run_parts(answers, killed, killed_at_routes, wrong_answers, files, packaged, terminal, signals, service_user,
              broker, second_vehicle, redacted)
