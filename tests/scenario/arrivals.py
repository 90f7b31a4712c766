"""Cars drive and arrive at home repeatedly, with the shipped routing and the shipped garage door blueprint
in a real Home Assistant. Measures the time from arrival to open door and counts the openings.
"""
import functools
import random
import threading
import time
import traceback

from fr import VIN, Daemon, wait_until
from home import AT_HOME, AWAY, HomeAssistant, Watch, Way
from trips import HOME, together, with_vehicles
from vehicle import Vehicle

TICK = 0.5  # a car sends at most twice a second
LIMIT = 5  # seconds from the car's message to the open door
PARKED = 1.5  # seconds that a car stands at home; every window of at most 1 s closes

DOORS = """
input_boolean: {{{helpers}}}
cover:
  - platform: template
    covers:
{covers}
automation:
{automations}
"""
COVER = """      {door}:
        value_template: "{{{{ is_state('input_boolean.{door}', 'on') }}}}"
        open_cover: {{service: input_boolean.turn_on, target: {{entity_id: input_boolean.{door}}}}}
        close_cover: {{service: input_boolean.turn_off, target: {{entity_id: input_boolean.{door}}}}}"""
AUTOMATION = """  - id: {door}
    alias: {door}
    use_blueprint:
      path: fleetroute/garage_door.yaml
      input: {{car: {tracker}, door: cover.{door}, pause: 0}}"""


def doors(cars):
    """Return Home Assistant's configuration with a garage door for each car."""
    names = [{"door": car.door, "tracker": car.tracker} for car in cars]
    return DOORS.format(helpers=", ".join(f"{n['door']}: {{name: {n['door']}}}" for n in names),
                        covers="\n".join(COVER.format(**n) for n in names),
                        automations="\n".join(AUTOMATION.format(**n) for n in names))


def near(place):
    """Return a random location at most some metres from `place`."""
    return {key: degrees + random.uniform(-1e-4, 1e-4) for key, degrees in place.items()}


class Driver(threading.Thread):
    """One car with its route and its door. If `others` is true, other fields change with the location."""

    def __init__(self, vin, name, others):
        super().__init__(daemon=True)
        self.vin, self.others = vin, others
        self.tracker = f"device_tracker.{name}_location"
        self.door = f"{name}_door"
        self.delays, self.failure, self.ticks = [], None, 0
        self.times, self.looked_at = {"open": [], "closed": []}, 0
        self.others_now = {"Soc": 70.0, "EstBatteryRange": 190.0, "InsideTemp": 21.0, "OutsideTemp": 9.0,
                           "Odometer": 18000.0, "TpmsPressureFl": 2.9, "MilesToArrival": 30.0,
                           "MinutesToArrival": 40.0, "ChargerVoltage": 0.0}

    def prepare(self, d, home, watch, drive, between, arrivals):
        self.home, self.watch = home, watch
        self.drive_s, self.between, self.arrivals = drive, between, arrivals
        self.car = Vehicle(d, self.vin)
        self.tick(near(AWAY), Gear="P", VehicleSpeed=0, Locked=True, HvacPower="Off", SentryMode="Off")

    def tick(self, place, **more):
        """Send one message. A car sends one every TICK seconds."""
        values = {"Location": place}
        self.ticks += 1
        if self.others:
            for n, field in enumerate(self.others_now):
                self.others_now[field] += random.uniform(-0.3, 0.3)
                if self.ticks % (n + 1) == 0:
                    more[field] = self.others_now[field]
            values |= {"VehicleSpeed": random.uniform(20, 40), "GpsHeading": random.uniform(0, 359)} | more
        return self.car.say(values)

    def drive(self, seconds):
        """Drive for `seconds`, with stops of 1.5 s in which nothing changes and nothing is sent."""
        end, next_stop = time.monotonic() + seconds, time.monotonic() + random.uniform(1, 8)
        while (left := end - time.monotonic()) > 0:
            self.tick(near(AWAY))
            stands = time.monotonic() > next_stop
            if stands:
                next_stop = time.monotonic() + random.uniform(4, 20)
            time.sleep(min(left, 1.5 if stands else TICK))

    def changes(self, state):
        """Return the times at which the door entered `state`."""
        new = self.watch.changes[self.looked_at:]
        self.looked_at += len(new)
        for at, entity, now, _ in new:
            if entity == f"cover.{self.door}" and now in self.times:
                self.times[now].append(at)
        return self.times[state]

    def runs(self):
        return sum(e["data"].get("entity_id") == f"automation.{self.door}"
                   for e in list(self.watch.events) if e["event_type"] == "automation_triggered")

    def arrive(self):
        """Arrive at home at a random moment of the window. The door opens exactly once."""
        self.tick(near(AWAY))
        time.sleep(random.uniform(0.02, TICK))
        count = len(self.changes("open"))
        sent = self.tick(AT_HOME, VehicleSpeed=0, Gear="P")
        opened = wait_until(f"{self.door} opens", lambda: self.changes("open")[count:], LIMIT)[0]
        self.delays.append(opened - sent)
        time.sleep(PARKED)
        assert len(self.changes("open")) == count + 1, f"{self.door} opened more than once"
        closed = len(self.changes("closed"))
        self.home.service("cover", "close_cover", entity_id=f"cover.{self.door}")
        wait_until(f"{self.door} is closed", lambda: self.changes("closed")[closed:])

    def run(self):
        try:
            self.drive(self.drive_s)
            for n in range(self.arrivals):
                if n:
                    self.tick(near(AWAY), Gear="D")
                    self.drive(random.uniform(0.7, 1.3) * self.between)
                self.arrive()
            assert len(self.changes("open")) == self.arrivals, "the door opened without an arrival"
            assert self.runs() == self.arrivals, f"{self.runs()} runs for {self.arrivals} arrivals"
        except BaseException:
            self.failure = f"after {len(self.delays)} arrivals: {traceback.format_exc()}"
        self.car.close()


def arrivals(plugin, count, drive, between=2.5, others=True, vehicles=1):
    """Return the seconds from the message "at home" to the open door for `count` arrivals of each vehicle
    after `drive` seconds of driving, and the failures as a text or None."""
    if vehicles == 1:
        cars, routing = [Driver(VIN, "melan_y", others)], HOME
    else:
        vins = [f"5YJ3E1EA7KF0001{n:02}" for n in range(vehicles)]
        cars = [Driver(vin, f"car_{vin[-2:]}", others) for vin in vins]
        routing = with_vehicles(HOME, vins)
    with Way(plugin) as way, HomeAssistant(doors(cars)) as home:
        way.join(home)
        with Daemon(routing, way.sink(home), journal="{}") as d:
            watch = Watch(home, ("state_changed", "automation_triggered"))
            for n, car in enumerate(cars):  # the cars arrive one after the other
                car.prepare(d, home, watch, drive + n * between / vehicles, between, count)
            for car in cars:
                home.wait(car.tracker, "not_home", 60)
            for car in cars:
                car.start()
            for car in cars:
                car.join()
            watch.close()
    failures = [f"{car.door} {car.failure}" for car in cars if car.failure]
    return sorted(delay for car in cars for delay in car.delays), "\n".join(failures) or None


def line(plugin, others, delays):
    """Return the delays as one line of text."""
    if not delays:
        return f"{plugin}, {'other fields change' if others else 'location alone'}: no door opened"

    def share(part):
        return delays[min(len(delays) - 1, int(len(delays) * part))] * 1000
    return f"{plugin}, {'other fields change' if others else 'location alone'}: {len(delays)} arrivals, " \
        f"send to open door p50 {share(.5):.0f} ms, p99 {share(.99):.0f} ms, max {delays[-1] * 1000:.0f} ms"


def all_at_once(cases):
    """Run [(plugin, others, options)] in parallel. Return [(plugin, others, delays, failure)]."""
    HomeAssistant().__exit__(None)  # skip or install once, before the cases run in parallel
    results = together({(plugin, others): functools.partial(arrivals, plugin, others=others, **options)
                        for plugin, others, options in cases})
    return [(plugin, others, *(result or ([], failure)))
            for (plugin, others), (result, failure) in results.items()]
