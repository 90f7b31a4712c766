#!/usr/bin/env python3
"""After kill -9 and after a rewind records come to Kafka again: with `repeated_header` each copy but
the first has the header `repeated`, and without the option none has it."""
from fr import Daemon, Kafka, fleetroute, wait_until

ROUTING = "records: [{type: V, to: [marked, plain]}]"


def sinks(kafka):
    return f"""  marked: {{plugin: kafka, options: {{brokers: "{kafka.address}", topic: marked, repeated_header: true}}}}
  plain: {{plugin: kafka, options: {{brokers: "{kafka.address}", topic: plain}}}}"""


def rows(kafka, topic):
    """(txid, has the header) of each message, in order."""
    out = []
    for line in kafka.read(topic, "%h\n").decode().splitlines():
        headers = dict(h.split("=", 1) for h in line.split(","))
        assert headers.get("repeated", "1") == "1", headers
        out.append((headers["txid"], "repeated" in headers))
    return out


def second_copies(rows):
    """Check that no first copy of `rows` is marked and that all others are; how many these are."""
    seen, count = set(), 0
    for txid, marked in rows:
        assert marked == (txid in seen), (txid, marked, rows)
        count += txid in seen
        seen.add(txid)
    return count


def delivered(d):
    return min(s["delivered"] for s in d.status()["sinks"].values())


def all_through(d):
    wait_until("all is delivered", lambda: all(s["lag"] == 0 for s in d.status()["sinks"].values()), 60)


def main(kafka):
    with Daemon(ROUTING, sinks(kafka), journal="{}") as d:
        said = 0
        for _ in range(5):
            before = delivered(d)
            d.say(*({"Soc": n} for n in range(20)))
            said += 20
            wait_until("they are delivered", lambda: delivered(d) >= before + 20, 60)
            d.kill()  # before the cursors are on disk
            d.start()
            all_through(d)
            twice = second_copies(rows(kafka, "marked"))
            if twice:
                break
        assert twice, "no record came again after five kills"
        fleetroute("journal", "rewind", "marked", "--to", "oldest", "-c", d.path("fleetroute.yaml"))
        wait_until("all came again", lambda: len(rows(kafka, "marked")) == 2 * said + twice, 60)
        assert second_copies(rows(kafka, "marked")) == said + twice
        plain = rows(kafka, "plain")
        assert len(plain) >= said and not any(marked for _, marked in plain)
        print(f"{said} records, {twice} of them again after kill -9, {said} after the rewind")


with Kafka() as kafka:
    main(kafka)
