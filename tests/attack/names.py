#!/usr/bin/env python3
"""VINs of replayed records are checked like those of certificates: a VIN with a path, with a control
character or of more than 64 bytes does not reach a sink. A record of more than 1 MiB is replayed."""
import json
import os

from hostile import PATIENCE, VIN, Daemon, fleetroute, wait_until

BAD = ["..", ".", "../../../../tmp/fr-attack", "/tmp/fr-attack", "a/b", "A.B", "", " ", "A B", "A\tB",
       "A\nB", "A\u0000B", "\u202eVIN", "VÎN", "A\u007fB", "V" * 65, "V" * 1000]
GOOD = [VIN, "V" * 64, "1099752-00-B--S0A123", "STE20190101-00123", "a:b_c"]


def line(vin, number=1, **more):
    return json.dumps({"type": "V", "vin": vin, "txid": f"names-{number}",
                       "created_at": "2026-01-01T00:00:00.000Z", "data": {"VehicleSpeed": 9}, **more})


with Daemon("records: [{type: '*', to: by_vin}]",
            '  by_vin: {plugin: file, options: {path: "@/vin/%{vin}/%{type}.jsonl"}}',
            journal="{}") as d:
    out = fleetroute("replay", "-s", d.control, "--as-new", "-",
                     input="\n".join(line(vin, n) for n, vin in enumerate(BAD)) + "\n", check=False)
    assert f" 0 stored, {len(BAD)} skipped" in out.stdout, out
    refused = d.count("source_records_without_valid_vin")
    # The tool itself skips records that are not valid JSON or have a VIN that is too long.
    assert len(BAD) - 4 <= refused <= len(BAD), refused
    assert d.log_text().count("its VIN is not 1 to 64") == 1, d.log_text()
    d.say(*(line(vin, n) for n, vin in enumerate(GOOD)))
    wait_until("the valid records are delivered", lambda: os.path.isdir(d.path("vin")) and
               len(os.listdir(d.path("vin"))) == len(GOOD))
    assert not os.path.exists("/tmp/fr-attack"), "a sink wrote a file outside its folder"
    assert d.status()["journal"]["records"] == len(GOOD)
    # Longer than the read buffer of the control socket.
    big = line(VIN, 99, data={"VehicleName": "n" * 2_500_000})
    out = fleetroute("replay", "-s", d.control, "--as-new", "-", input=big + "\n" + line(VIN, 100) +
                     "\n", timeout=20 * PATIENCE)
    assert "2 stored" in out.stdout, out
