#!/usr/bin/env python3
"""Check the direction of the includes: which folder may use which, headers, and cycles of files.

    tests/includes.py            check; prints each violation
    tests/includes.py --draw     print the folders' includes as a graph for dot(1)

ALLOWED is the list. A cycle of files is an error unless the README.md of its folder names both
files in one line that begins with "Cycle:".
"""
import collections
import os
import re
import sys

TOP = os.environ.get("top_srcdir") or os.path.realpath(os.path.join(os.path.dirname(__file__), ".."))

# From low to high: a folder may include itself, the public header, and the folders named here.
ALLOWED = {
    "core/util": [],
    "core/privsep": ["util"],
    "core/record": ["util"],
    "core/journal": ["util", "record"],
    "core/config": ["util", "privsep", "record", "journal"],
    "core/fleet_api": ["util", "record", "config"],
    "core/history": ["util", "record", "journal", "fleet_api"],
    "core/route": ["util", "record", "journal", "config"],
    "core/plugin": ["util", "record", "config"],
    "core/sink": ["util", "record", "journal", "config", "route", "plugin"],
    "core/source": ["util", "record", "journal", "config", "route", "plugin"],
    "core/ingest": ["util", "privsep", "record", "journal", "config", "route"],
    "core/admin": ["util", "record", "route", "source"],
    "core/sim": ["util", "record", "ingest"],
    "core/daemon": ["util", "privsep", "record", "journal", "history", "config", "route", "plugin", "sink", "source",
                    "ingest", "admin", "fleet_api"],
    "core/tool": ["util", "record", "journal", "config", "route", "plugin", "sink", "source", "sim",
                  "daemon", "fleet_api", "privsep"],
}
# What a plugin may include beside its own folder and the public header.
PLUGINS = ["plugins", "plugins/car_state", "plugins/home_assistant"]
PLUGIN_FILES = {"ingest/http_head.h", "ingest/http_status.h", "ingest/http_upgrade.h", "ingest/websocket.h",
                "ingest/websocket_key.h", "record/units.h", "util/address.h", "util/file_remedy.h", "util/no_passphrase.h",
                "util/tail_repair.h"}


def sources():
    # From the file system, so that it works in a source archive too.
    found = []
    for root in ("core", "plugins"):
        for folder, _, names in os.walk(os.path.join(TOP, root)):
            found += [os.path.relpath(os.path.join(folder, n), TOP) for n in names if n.endswith((".c", ".h"))]
    return sorted(f for f in found if "/include/" not in f)


def included(path):
    with open(os.path.join(TOP, path)) as f:
        return re.findall(r'^#include "([^"]+)"', f.read(), re.M)


def resolve(path, name, known):
    for base in (os.path.dirname(path), "core", "plugins"):
        found = os.path.normpath(os.path.join(base, name))
        if found in known:
            return found
    return None


def module(path):
    """A .c file and its header are one module; X_state.h, which holds the shared struct, is its own."""
    return re.sub(r"(_data)?\.[ch]$", "", path)


def may_include(path, target, name):
    here, there = os.path.dirname(path), os.path.dirname(target)
    if here == there:
        return True
    if here.startswith("core/"):
        return there.removeprefix("core/") in ALLOWED.get(here, [])
    return there in PLUGINS or name in PLUGIN_FILES


def cycles(edges):
    """Strongly connected groups of more than one module (Tarjan's algorithm)."""
    index, low, stack, groups, on_stack = {}, {}, [], [], set()

    def visit(v):
        index[v] = low[v] = len(index)
        stack.append(v)
        on_stack.add(v)
        for w in sorted(edges[v]):
            if w not in index:
                visit(w)
                low[v] = min(low[v], low[w])
            elif w in on_stack:
                low[v] = min(low[v], index[w])
        if low[v] == index[v]:
            group = []
            while not group or group[-1] != v:
                group.append(stack.pop())
                on_stack.discard(group[-1])
            if len(group) > 1:
                groups.append(sorted(group))

    sys.setrecursionlimit(10000)
    for v in sorted(edges):
        if v not in index:
            visit(v)
    return groups


def is_justified(group):
    """Whether a line of a README that begins with "Cycle:" names all of them."""
    for folder in {os.path.dirname(m) for m in group}:
        readme = os.path.join(TOP, folder, "README.md")
        if os.path.exists(readme):
            with open(readme) as f:
                for line in f:
                    if line.startswith("Cycle:") and all(
                            re.search(rf"\b{os.path.basename(m)}\b", line) for m in group):
                        return True
    return False


def has_no_header(path, known):
    with open(os.path.join(TOP, path)) as f:
        text = f.read()
    is_main = re.search(r"^int main\(|fleetroute_(plugin|source) = \{", text, re.M)
    is_command = os.path.basename(path).startswith("cmd_")
    return not is_main and not is_command and path[:-2] + ".h" not in known


def main():
    files = sources()
    known, problems = set(files), []
    edges, folders = collections.defaultdict(set), collections.Counter()
    for path in files:
        for name in included(path):
            target = resolve(path, name, known)
            if target is None:
                continue
            if os.path.dirname(path) != os.path.dirname(target):
                folders[os.path.dirname(path), os.path.dirname(target)] += 1
            if not may_include(path, target, name):
                problems.append(f"{path} includes {target}: not in the list of {os.path.dirname(path)}")
            # X_state.h may include the public header X.h of its own module.
            if module(path) != module(target) and module(path) != module(target) + "_state":
                edges[module(path)].add(module(target))
                edges[module(target)]
        if path.endswith(".c") and has_no_header(path, known):
            problems.append(f"{path} has no header of its own")
    if "--draw" in sys.argv[1:]:
        print("digraph includes {", *(f'  "{a}" -> "{b}" [label={n}];' for (a, b), n in sorted(folders.items())),
              "}", sep="\n")
        return 0
    groups = cycles(edges)
    problems += [f"a cycle of files: {' '.join(g)}" for g in groups if not is_justified(g)]
    print(*problems, sep="\n", end="\n" if problems else "")
    print(f"{len(files)} files, {len(groups)} cycles of files, {len(problems)} problems")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
