#!/usr/bin/env python3
"""fleetroute -> real Kafka -> fleetroute on the Home Assistant host -> Home Assistant: the trip, the
garage door, and outages of the second host, with the same results as on one host."""
import home_trip
from fr import Daemon, Kafka
from home import CAR, GARAGE, Door, HomeAssistant, Watch, Way, ways
from home_checks import OLD, ROUTING, arrivals


class Pair:
    """Records go to the first daemon; all other calls go to the second one."""

    def __init__(self, first, second):
        self.first, self.second = first, second

    def say(self, *lines, **more):
        self.first.say(*lines, **more)

    def status(self):
        """Return the second daemon's status, once it has received all records of the first one."""
        had = self.first.status()
        status = self.second.status()
        status["sinks"]["home"]["lag"] += had["journal"]["next"] - status["journal"]["next"]
        return status

    def __setattr__(self, name, value):
        if name == "routing":
            self.second.routing = value
        else:
            object.__setattr__(self, name, value)

    def __getattr__(self, name):
        return getattr(self.second, name)


def through(kafka, plugin, what, routing, then):
    topic = f'"{plugin}_{what}_%{{type}}"'
    to_kafka = f"  kafka: {{plugin: kafka, options: {{brokers: {kafka.address}, topic: {topic}}}}}"
    from_kafka = f"""sources:
  cars: {{plugin: kafka, options: {{brokers: {kafka.address}, group: home, topic: {topic},
    properties: {{session.timeout.ms: 6000}}}}}}"""
    with Daemon(CAR + 'records: [{type: "*", to: kafka}]', to_kafka,
                "limits: {presence_grace: 500 ms}", journal="{}") as first, \
            Way(plugin) as way, HomeAssistant(GARAGE) as home:
        way.join(home)
        sinks = way.sink(home, f", position_age: {OLD} s") + \
            '\n  log: {plugin: file, options: {path: "@/log.jsonl"}}'
        with Daemon(routing, sinks, from_kafka, journal="{}") as second:
            then(first, Pair(first, second), home)


def trip(first, pair, home):
    watch = Watch(home)
    home_trip.play(first, pair, home, watch)
    watch.close()


def door(first, pair, home):
    first.say({"Gear": "P"})  # once this has arrived, the consumer group has joined
    home.wait("sensor.melan_y_shift_state", "P", 60)
    arrivals(pair, home, Door(home))


with Kafka() as kafka:
    for each in ways():
        through(kafka, each, "trip", home_trip.ROUTING, trip)
        through(kafka, each, "door", ROUTING, door)
