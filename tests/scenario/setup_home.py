#!/usr/bin/env python3
"""fleetroute setup --answers, from a folder with certificates to the simulated car's dot in a real Home Assistant,
through the fake Tesla cloud; a wrong token of Home Assistant is named."""
import os
import re
import shutil
import stat
import subprocess
import tempfile

from doctor_world import enter
from fr import BUILD, SOURCE, VIN, run_parts, skip, wait_until
from home import RELEASE

# The installation needs the network, which is not there after enter().
if os.environ.get("FR_SKIP_HOME_ASSISTANT"):
    skip("FR_SKIP_HOME_ASSISTANT is set")
subprocess.run([f"{SOURCE}/tests/home_assistant.sh", "install", RELEASE], check=True, stdout=subprocess.DEVNULL)
enter()

from fake_tesla import FakeTesla  # noqa: E402
from home import HomeAssistant  # noqa: E402
from setup_world import Home, private_file  # noqa: E402


def install_entities():
    """The catalogue of entities, where the package has it; seen by this process and its children only."""
    with open(f"{BUILD}/Makefile") as f:
        prefix = re.search(r"^prefix = (.*)$", f.read(), re.M)[1]
    subprocess.run(["mount", "-t", "tmpfs", "tmpfs", f"{prefix}/share"], check=True)
    os.mkdir(f"{prefix}/share/fleetroute")
    shutil.copy(f"{SOURCE}/etc/entities.yaml", f"{prefix}/share/fleetroute/entities.yaml")


def home_assistant():
    """A wrong token ends the step of the sinks; with the right one the car appears and moves in Home Assistant."""
    install_entities()
    with tempfile.TemporaryDirectory(prefix="fr-fake.") as folder, FakeTesla(folder) as fake, \
            HomeAssistant() as assistant, Home(fake) as home:
        home.answers.update({"sinks": ["file", "home_assistant"], "home_url": assistant.url,
                             "home_token_file": home.path("token")})
        private_file(home.path("token"), "wrong-token-0123456789")
        code, output = home.run(check=False)
        assert code == 1 and "the sink home does not work" in output and "token" in output, output
        private_file(home.path("token"), assistant.token)
        home.more_secrets = [assistant.token]
        _, output = home.run()
        assert "home: " in output and "Data of the car" in output, output
        assistant.wait("device_tracker.melan_y_location", lambda state: state in ("home", "not_home"), 30)
        tracker = assistant.state("device_tracker.melan_y_location")["attributes"]
        assert 37 < tracker["latitude"] < 38 and -123 < tracker["longitude"] < -122, tracker
        first = (tracker["latitude"], tracker["longitude"])
        wait_until("the dot moves", lambda: first != tuple(
            assistant.state("device_tracker.melan_y_location")["attributes"][k] for k in ("latitude", "longitude")))
        assistant.wait("sensor.melan_y_battery", lambda state: 0 < float(state) <= 100)
        home.assert_streaming()
        assert stat.S_IMODE(os.stat(home.path("home-assistant.token")).st_mode) == 0o600
        assert home.fake.config(VIN)["fields"]["Location"]["interval_seconds"] == 1
        numbers(output, home)


def numbers(output, home):
    answers = next(line for line in output.splitlines() if line.startswith("The car streams"))
    print(f"2 commands with the corrected token; the last one: {answers}; {home.seconds:.1f} s, "
          f"{home.fake.billed()} billed requests")


if __name__ == "__main__":
    run_parts(home_assistant)
