#!/usr/bin/env python3
"""Write compile_commands.json for clangd: packaging/compile_commands.py TOP COMPILER FLAG...

Every C file gets the same flags: those of the daemon, with the folders of the plugins and the tests.
"""
import json
import os
import sys

top, compiler, *flags = sys.argv[1:]
entries = []
for root in ("core", "plugins", "tests"):
    for folder, _, names in os.walk(os.path.join(top, root)):
        for name in sorted(names):
            if name.endswith(".c"):
                path = os.path.join(folder, name)
                entries.append({"directory": os.getcwd(), "file": path,
                                "arguments": [*compiler.split(), *flags, f"-I{top}/plugins",
                                              '-DTOP_SRCDIR=""', '-DFR_DATA_DIR=""', "-c", path]})
with open("compile_commands.json", "w") as out:
    json.dump(entries, out, indent=1)
print(f"compile_commands.json: {len(entries)} files")
