#!/usr/bin/env python3
"""A real Home Assistant with the configuration of fleetroute-mqtt(7) for dashboards of TeslaMate: it displays what
mqtt.so publishes with `layout: teslamate` during a simulated trip."""
from fr import Daemon, SOURCE, wait_until
from home import Broker, HomeAssistant, Watch

ROUTING = 'records: [{type: presence, to: cars}]\nfields: [{field: "*", to: cars}]'


def example():
    """The example in the manual page."""
    with open(f"{SOURCE}/man/fleetroute-mqtt.7") as f:
        page = f.read()
    begin = page.index(".Bd -literal -offset indent\nmqtt:\n  sensor:\n")
    return page[begin:page.index("\n.Ed", begin)].split("\n", 1)[1] + "\n"


with Broker() as broker, HomeAssistant("\n" + example()) as home:
    home.add_mqtt(broker.port)
    watch = Watch(home)
    sink = f"  cars: {{plugin: mqtt, options: {{layout: teslamate, port: {broker.port}}}}}"
    with Daemon(ROUTING, sink, "limits: {presence_grace: 500 ms}", journal="{}") as d:
        d.simulate("--speed", "10")
        home.wait("sensor.tesla_state", "asleep", 60)
        home.wait("sensor.tesla_battery", "81")
        home.wait("binary_sensor.tesla_plugged_in", "on")
    states = watch.states("sensor.tesla_state")
    seen = [state for state in states if state in ("online", "driving", "charging", "asleep")]
    wanted = ["driving", "charging", "asleep"]  # `delivery: latest` may skip states, but never reorders them
    assert [s for s in seen if s in wanted] == wanted, states
    # Home Assistant gets the retained values of a vehicle that sleeps after a restart, too.
    home.stop()
    home.start()
    home.wait("sensor.tesla_state", "asleep", 60)
    home.wait("binary_sensor.tesla_plugged_in", "on")
    bad = home.log_warnings("mqtt", "tesla")
    assert not bad, bad
    wait_until("the watch has ended", lambda: not watch.thread.is_alive())
