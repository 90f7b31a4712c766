"""The garage door opens when the car comes home, once, and never for what is past. What is said goes
to `d`; it is what tells Home Assistant, too, or what stands for both."""
import time

from fr import wait_until
from home import AT_HOME, AWAY, CAR, Watch

TRACKER = "device_tracker.melan_y_location"
ROUTING = CAR + "fields: [{field: [Location, Gear], to: home}]"
STRICT = CAR + "fields: [{field: Location, to: home, max_age: 30 s, edge_only: true}, {field: Gear, to: home}]"
OLD = 3  # seconds; the plugin is told so


def drive(d, home, door):
    """Away and back: a real arrival."""
    d.say({"Location": AWAY})
    home.wait(TRACKER, "not_home")
    d.say({"Location": AT_HOME})
    door.opened()
    home.wait(TRACKER, "home")


def settle(d, home):
    """All that is under way has arrived."""
    wait_until("all is delivered", lambda: d.status()["sinks"]["home"]["behind"] == 0)
    d.say({"Gear": "N"})
    home.wait("sensor.melan_y_shift_state", "N")
    d.say({"Gear": "P"})
    home.wait("sensor.melan_y_shift_state", "P")


def nothing_more(d, home, door):
    """It is at home, and the door did not move."""
    settle(d, home)
    home.wait(TRACKER, "home")
    door.stayed()


def backlog(d, home, door):
    """30 minutes of places, kept by the car, that end at home; and what it sends twice."""
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
    """At home, fleetroute and Home Assistant are restarted in every way: it was there already."""
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


def came_unseen(d, home, door):
    """It comes home while Home Assistant, and then fleetroute, is away: shown, but too late to act."""
    d.say({"Location": AWAY})
    home.wait(TRACKER, "not_home")
    home.stop()
    d.say({"Location": AT_HOME})
    time.sleep(OLD)  # starting takes longer than that anyway
    home.start()
    nothing_more(d, home, door)

    d.say({"Location": AWAY})
    home.wait(TRACKER, "not_home")
    d.end()
    d.start()
    d.say({"Location": AWAY, "age": 30}, {"Location": AT_HOME, "age": OLD + 3})
    settle(d, home)
    home.wait(TRACKER, "not_home")  # what is older does not hide what is newer
    d.say({"Location": AT_HOME})
    door.opened()


def strict_routes(d, home, door):
    """The same with the route's own means: nothing old, nothing repeated gets there at all."""
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
    """All of it, with routes of our own in the end."""
    backlog(d, home, door)
    drive(d, home, door)
    drive(d, home, door)
    parked(d, home, door)
    drive(d, home, door)
    came_unseen(d, home, door)
    strict_routes(d, home, door)
