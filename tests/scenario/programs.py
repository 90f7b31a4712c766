#!/usr/bin/env python3
"""`fleetroute check` accepts each configuration in fleetroute-programs(7) without a mistake and without a warning, alone
and all at once."""
import os
import re
import shutil

from fr import BUILD, SOURCE, Daemon, fleetroute, run_parts

SETTINGS = "/etc/fleetroute/"


def sections():
    """{heading: (sinks, routing)}; a section has one block of each, or none."""
    with open(f"{SOURCE}/man/fleetroute-programs.7") as f:
        parts = re.split(r"^\.Ss (.*)$", f.read(), flags=re.M)
    found = {}
    for heading, text in zip(parts[1::2], parts[2::2]):
        blocks = re.findall(r"^\.Bd -literal\n(.*?)^\.Ed$", text, re.M | re.S)
        blocks = [block.replace("\\&", "").replace("\\(dq", '"') for block in blocks]
        if blocks:
            sinks, routing = blocks
            assert sinks.startswith("sinks:\n") and re.match("records:|fields:", routing), (heading, blocks)
            found[heading] = sinks.removeprefix("sinks:\n"), routing
    return found


def has_source(sinks):
    """Whether the plugin is part of fleetroute. Each one that is must be built."""
    plugin = re.search(r"plugin: (\w+)", sinks)[1]
    if not os.path.isdir(f"{SOURCE}/plugins/{plugin}"):
        return False
    assert os.path.exists(f"{BUILD}/.libs/{plugin}.so"), plugin
    return True


def check(heading, sinks, routing):
    d = Daemon(routing, sinks.rstrip())
    try:
        os.mkdir(d.path("settings"))
        for path in re.findall(rf"{SETTINGS}([\w.-]+)", sinks):
            with open(os.open(d.path(f"settings/{path}"), os.O_WRONLY | os.O_CREAT, 0o600), "w") as f:
                f.write("5YJ3E1EA7KF000001 a-secret-of-the-tests-0123456789\n")
        d.sinks = d.sinks.replace(SETTINGS, d.path("settings/"))
        for with_catalogue in ("layout: homeassistant", "plugin: ha_websocket\n    options:"):
            d.sinks = d.sinks.replace(with_catalogue, f"{with_catalogue}\n      entities: {SOURCE}/etc/entities.yaml")
        d.write()
        done = fleetroute("check", "-c", d.path("fleetroute.yaml"), check=False)
        words = done.stdout + done.stderr
        assert done.returncode == 0 and "warning" not in words, f"{heading}: {words}"
    finally:
        shutil.rmtree(d.folder)


def each():
    checked, absent = [], []
    for heading, (sinks, routing) in sections().items():
        if has_source(sinks):
            check(heading, sinks, routing)
            checked.append(heading)
        else:
            absent.append(heading)
    print(f"{len(checked)} configurations; without a plugin: {', '.join(absent) or 'none'}")
    assert len(checked) >= 13, checked


def together():
    """All sinks in one file, each with a name of its own."""
    all_sinks, parts = "", {"records": [], "fields": []}
    for number, (sinks, routing) in enumerate(s for s in sections().values() if has_source(s[0])):
        name = re.match(r"  (\w+):", sinks)[1]
        all_sinks += sinks.replace(f"  {name}:", f"  {name}{number}:", 1)
        routing = re.sub(rf"to: {name}\b", f"to: {name}{number}", routing)
        for key, items in re.findall(r"^(records|fields):(.*?)(?=^\w|\Z)", routing, re.M | re.S):
            items = items.strip()
            parts[key].append(items[1:-1] if items.startswith("[") else items.removeprefix("- "))
    check("all", all_sinks, "".join(f"{key}: [{', '.join(items)}]\n" for key, items in parts.items()))


run_parts(each, together)
