"""The garage door opens exactly once when the car arrives at home, and never for an old position. Records
go to `d`: the daemon that sends to Home Assistant, or a pair of daemons."""
import time

from fr import wait_until
from home import AT_HOME, AWAY, CAR, Watch

TRACKER = "device_tracker.melan_y_location"
ROUTING = CAR + "fields: [{field: [Location, Gear], to: home}]"
STRICT = CAR + "fields: [{field: Location, to: home, max_age: 30 s, edge_only: true}, {field: Gear, to: home}]"
OLD = 3  # seconds; the plugin's option position_age


def drive(d, home, door):
    """Drive away and back: a real arrival."""
    d.say({"Location": AWAY})
    home.wait(TRACKER, "not_home")
    d.say({"Location": AT_HOME})
    door.opened()
    home.wait(TRACKER, "home")


def settle(d, home):
    """Wait until everything sent has arrived in Home Assistant."""
    wait_until("all records are delivered", lambda: d.status()["sinks"]["home"]["lag"] == 0)
    d.say({"Gear": "N"})
    home.wait("sensor.melan_y_shift_state", "N")
    d.say({"Gear": "P"})
    home.wait("sensor.melan_y_shift_state", "P")


def nothing_more(d, home, door):
    """Check that the car is at home and the door did not move."""
    settle(d, home)
    home.wait(TRACKER, "home")
    door.stayed()


def backlog(d, home, door):
    """A backlog of 30 minutes of positions that ends at home, and positions that are sent twice."""
    d.say({"Location": AWAY, "age": 2400, "Gear": "D"})
    home.wait(TRACKER, "not_home")
    way = []
    for n in range(360):
        share = min(1.0, n / 240)
        way.append({"age": 1800 - 5 * n + 60,
                    "Location": {k: AWAY[k] + (AT_HOME[k] - AWAY[k]) * share for k in AWAY}})
    d.say(*way)
    nothing_more(d, home, door)
    d.say(way[-1], way[100], way[-1])
    nothing_more(d, home, door)


def parked(d, home, door):
    """The car is at home while fleetroute and Home Assistant are stopped, killed and started: no arrival."""
    for end in (d.end, d.kill):
        watch = Watch(home)
        end()
        d.start()
        nothing_more(d, home, door)
        seen = set(watch.states(TRACKER))
        assert "not_home" not in seen, seen
        watch.close()
        d.say({"Location": AT_HOME})
        nothing_more(d, home, door)
    for end in (home.stop, home.kill):
        end()
        home.start()
        nothing_more(d, home, door)


def arrived_during_outage(d, home, door):
    """The car arrives while Home Assistant, and then fleetroute, is down: the position is published, but neither
    the blueprint's automation nor one with a state trigger from not_home to home runs."""
    def welcomed():
        return home.state("automation.welcome")["attributes"]["last_triggered"]

    d.say({"Location": AWAY})
    home.wait(TRACKER, "not_home")
    before = welcomed()
    assert before  # the arrivals so far
    home.stop()
    d.say({"Location": AT_HOME})
    time.sleep(OLD)  # a start takes longer than that
    home.start()
    nothing_more(d, home, door)
    assert welcomed() == before, (welcomed(), before)

    d.say({"Location": AWAY})
    home.wait(TRACKER, "not_home")
    d.end()
    d.start()
    d.say({"Location": AWAY, "age": 30}, {"Location": AT_HOME, "age": OLD + 3})
    settle(d, home)
    home.wait(TRACKER, "not_home")  # an older value does not replace a newer one
    d.say({"Location": AT_HOME})
    door.opened()


def strict_routes(d, home, door):
    """The same with the route options max_age and edge_only: no old and no repeated position is delivered."""
    d.routing = STRICT
    d.reload()
    drive(d, home, door)
    d.say({"Location": AT_HOME}, {"Location": AT_HOME})
    d.say({"Location": AWAY, "age": 1800}, {"Location": AT_HOME, "age": 1700})
    nothing_more(d, home, door)
    d.kill()
    d.start()
    nothing_more(d, home, door)
    drive(d, home, door)


def arrivals(d, home, door):
    """Run all checks; the last one changes the routes."""
    backlog(d, home, door)
    drive(d, home, door)
    drive(d, home, door)
    parked(d, home, door)
    drive(d, home, door)
    arrived_during_outage(d, home, door)
    strict_routes(d, home, door)
