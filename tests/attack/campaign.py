#!/usr/bin/env python3
"""Attack one daemon with all sinks while 500 honest vehicles send:

    campaign.py [SECONDS [ATTACK...]]

The first sixth of the time is without attack; then four processes run attacks.py. The test fails if, in
any sink, an acknowledged record is lost, out of order, or delivered twice without the flag `repeated`, if
the daemon restarts, or if its resident memory exceeds 256 MB. With SECONDS >= 120 Home Assistant is one
of the sinks, and the test also fails if the p99 delay of a sink during the attack is at least twice that
before; a shorter run only prints the ratio. The reference run is 1800 s."""
import contextlib
import json
import multiprocessing
import resource
import shutil
import sys
import time

import attacks
from fleet import Fleet, Mosquitto, print_results, sink_delays
from hostile import PATIENCE, SLOWER, Kafka, skip
from home import HomeAssistant, Watch

SECONDS = float(sys.argv[1]) if len(sys.argv) > 1 else 20
FULL = SECONDS >= 120
RATE = 2
ATTACKERS = 4
WARM_UP_S = 3
MAX_RESIDENT_KB = 256 * 1024 * SLOWER


def start_attackers(d, begin, end):
    fork = multiprocessing.get_context("fork")
    chosen = [a for a in attacks.ATTACKS if a.__name__ in sys.argv[2:]] or attacks.ATTACKS
    processes = [fork.Process(target=attacks.attack_until,
                              args=(d, n, chosen, begin, end, d.path(f"attacker.{n}")))
                 for n in range(ATTACKERS)]
    for process in processes:
        process.start()
    return processes


def sleep_until(moment):
    time.sleep(max(0, moment - time.monotonic()))


def campaign(fleet):
    d = fleet.d
    attacks.prepare(d)
    fleet.start_vehicles(RATE, WARM_UP_S + SECONDS)
    time.sleep(WARM_UP_S)
    begin = time.monotonic() + SECONDS / 6
    end = begin + SECONDS * 5 / 6
    attackers = start_attackers(d, begin, end)
    borders, counters, spent = [], [], []
    before = resource.getrusage(resource.RUSAGE_CHILDREN)

    def begin_phase():
        borders.append(time.time() * 1000)
        spent.append((time.monotonic(), d.status()["cpu_us"]))
        counters.append(fleet.delays())

    begin_phase()
    sleep_until(begin)
    begin_phase()
    sleep_until(end)
    begin_phase()
    for process in attackers:
        process.join(60 * PATIENCE)
        assert process.exitcode == 0, f"an attacking process ended with status {process.exitcode}"
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    attackers_s = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    each = [(cpu - cpu0) / (at - at0) / 1e4 for (at0, cpu0), (at, cpu) in zip(spent, spent[1:])]
    print(f"CPU: the daemon used {each[0]:.0f} % of a core without attack and {each[1]:.0f} % with; the "
          f"attackers {attackers_s * 120 / SECONDS:.0f} %")
    fleet.wait_delivered(120)
    return borders, counters, (begin, end)


def print_attacks(d):
    total = {}
    for n in range(ATTACKERS):
        with open(d.path(f"attacker.{n}")) as f:
            for name, (rounds, ended, seconds, errors) in json.load(f).items():
                row = total.setdefault(name, [0, 0, 0.0, []])
                total[name] = [row[0] + rounds, row[1] + ended, row[2] + seconds, row[3] + errors]
    print(f"\n{'attack':26} rounds  ended by the daemon  seconds")
    for name, (rounds, ended, seconds, errors) in sorted(total.items()):
        print(f"{name:26} {rounds:6} {ended:20} {seconds:8.1f}  {errors[:1] or ''}")
    return [f"error in the attack {name}: {errors[0]}" for name, (*_, errors) in total.items() if errors] + \
        [f"the attack {name} never ran" for name, (rounds, *_) in total.items() if FULL and not rounds]


def print_delays(sinks, counters, names):
    """Phase 0 is the warm-up, phase 1 is without attack, phase 2 is with attack."""
    problems = []
    print(f"\n{'sink':10} {'delay in ms':24} p50  p99  max without attack | with attack | ratio of p99")
    for name in names:
        method, *quiet = sink_delays(name, sinks.get(name), counters[0], counters[1], 1)
        _, *attacked = sink_delays(name, sinks.get(name), counters[1], counters[2], 2)
        ratio = attacked[1] / quiet[1] if quiet[1] else float("nan")
        print(f"{name:10} {method:24} {quiet[0]:.1f} {quiet[1]:.1f} {quiet[2]:.0f} | {attacked[0]:.1f} "
              f"{attacked[1]:.1f} {attacked[2]:.0f} | {ratio:.2f}")
        if FULL and not ratio < 2:
            problems.append(f"{name}: p99 with attack is {ratio:.2f} times that without")
    return problems


def check_home_assistant(fleet, shown):
    """Home Assistant displayed values in order, and displays the last value of each of its vehicles."""
    ledger = shown.ledger
    for n in range(fleet.vehicles, fleet.vehicles + fleet.at_home):
        prefix = ledger.prefix_of[f"5YJ3E1EA7KF{n:06d}"]
        fleet.home.wait(f"sensor.tesla_model_3_{n:06d}_lifetime_energy_used_driving",
                        max(ledger.acknowledged[prefix]) + 1, 30)
    print(f"home       displayed {shown.count} values, and displays the last value of all its "
          f"{fleet.at_home} vehicles; {sum(shown.disorder)} values were out of order")
    return [f"home: {shown.examples}"] if any(shown.disorder) or not shown.count else []


def report(fleet, watch, borders, counters, times):
    d, samples = fleet.d, fleet.samples
    sinks = fleet.verify(borders)
    shown = {}
    if watch:
        shown["home"] = fleet.read_home(watch, sinks["files"].ledger, borders)
    problems = print_attacks(d) + print_delays({**sinks, **shown}, counters, counters[0])
    problems += print_results(sinks)
    if watch:
        problems += check_home_assistant(fleet, shown["home"])
    quiet_kb, total_kb = samples.max_kb(end=times[0]), samples.max_kb()
    print(f"\nmemory: at most {quiet_kb / 1024:.0f} MB without attack, {total_kb / 1024:.0f} MB over the "
          f"whole run; {samples.curve()}")
    print("not up:", json.dumps(samples.unhealthy, indent=1) if samples.unhealthy else "no sink at any time")
    if total_kb > MAX_RESIDENT_KB:
        problems.append(f"the resident memory of the daemon was {total_kb} kB")
    if d.ended() or d.process.pid != fleet.pid or "fleetrouted" not in open(f"/proc/{fleet.pid}/comm").read():
        problems.append("the daemon restarted")
    return problems


def main():
    with contextlib.ExitStack() as stack:
        kafka = stack.enter_context(Kafka(properties="log.message.timestamp.type=LogAppendTime\n"))
        mosquitto = stack.enter_context(Mosquitto())
        home = stack.enter_context(HomeAssistant()) if FULL else None
        fleet = stack.enter_context(Fleet(kafka, mosquitto, home, vehicles=490 if SLOWER == 1 else 90))
        watch = stack.enter_context(contextlib.closing(Watch(home))) if home else None
        problems = report(fleet, watch, *campaign(fleet))
        assert not problems, "\n".join(problems)


if not shutil.which("mosquitto"):
    skip("mosquitto is needed")
main()
