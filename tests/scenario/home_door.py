#!/usr/bin/env python3
"""The garage door opens exactly once when the car arrives at home, and never for an old position: with the
shipped blueprint in a real Home Assistant, with each of the two plugins."""
from fr import Daemon
from home import GARAGE, Door, HomeAssistant, Way, ways
from home_checks import OLD, ROUTING, arrivals

for plugin in ways():
    with Way(plugin) as way, HomeAssistant(GARAGE) as home:
        way.join(home)
        with Daemon(ROUTING, way.sink(home, f", position_age: {OLD} s"), journal="{}") as d:
            arrivals(d, home, Door(home))
