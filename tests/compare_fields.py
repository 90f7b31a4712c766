#!/usr/bin/env python3
"""packaging/compare_fields.py: the project's own vehicle_data.proto equals the tables, and each difference of a
changed copy is printed."""
import os
import subprocess
import sys
import tempfile

SOURCE = os.environ.get("top_srcdir") or os.getcwd()
CHANGES = (
    ("  Cabin48vPortKeepOn = 271;\n", "  Cabin48vPortKeepOn = 271;\n  AccessoryRail = 272;\n", "new: field AccessoryRail = 272"),
    ("  GpsAccuracyMeters = 260;\n", "", "missing: field GpsAccuracyMeters = 260"),
    ("  LifetimeEnergyChargedKwh = 261;\n", "  LifetimeEnergyChargedKwh = 0x170 /* was 261 */;\n",
     "renumbered: field LifetimeEnergyChargedKwh is 368 there and 261 here"),
    ("  ShiftStateSNA = 6;\n", "  ShiftStateSNA = 6;\n  // ShiftStateOld = 8;\n  ShiftStateB = 7 [deprecated = true];\n",
     "new: ShiftState: ShiftStateB = 7"),
    ("  HvilStatusOK = 2;\n", "", "missing: HvilStatus: HvilStatusOK = 2"),
    ("  BuckleStatusFaulted = 3;\n", "  BuckleStatusFaulted = 9;\n",
     "renumbered: BuckleStatus: BuckleStatusFaulted is 9 there and 3 here"),
    ("enum ShiftState {\n", "enum RailState {\n  RailOff = 1;\n}\n\nenum ShiftState {\n", "new: RailState: RailOff = 1"),
    ("    HvilStatus hvil_status_value = 23;\n", "    RailState rail_state_value = 57;\n    HvilStatus hvil_status_value = 56;\n",
     "renumbered: tag in Value of HvilStatus is 56 there and 23 here\nnew: tag in Value of RailState = 57"),
)


def compare(path):
    return subprocess.run([sys.executable, f"{SOURCE}/packaging/compare_fields.py", path], capture_output=True, text=True)


own = compare(f"{SOURCE}/proto/vehicle_data.proto")
assert (own.returncode, own.stdout) == (0, ""), own
with open(f"{SOURCE}/proto/vehicle_data.proto") as f:
    text = f.read()
expected = []
for before, after, lines in CHANGES:
    assert text.count(before) == 1, before
    text = text.replace(before, after)
    expected += lines.split("\n")
with tempfile.TemporaryDirectory() as folder:
    path = f"{folder}/vehicle_data.proto"
    with open(path, "w") as f:
        f.write(text)
    changed = compare(path)
    assert changed.returncode == 1 and changed.stdout.splitlines() == sorted(expected), changed
    for content in ("", "enum Field {\n"):  # neither is taken for a file without differences
        with open(path, "w") as f:
            f.write(content)
        assert compare(path).returncode == 2, content
    assert compare(f"{folder}/none").returncode == 2
print("ok")
