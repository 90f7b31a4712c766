"""What several of the journal's tests look for."""
import signal


def in_order_for_each_vehicle(records):
    """Every vehicle's txids end in a growing number; those seen again are left out."""
    last, seen = {}, set()
    for r in records:
        if r["txid"] in seen:
            continue
        seen.add(r["txid"])
        number = int(r["txid"].rsplit("-", 1)[1])
        assert number > last.get(r["vin"], -1), (r["vin"], r["txid"], last[r["vin"]])
        last[r["vin"]] = number


def end_load(load):
    """End the load of simulate_beside() before its --duration. A simulator that ends by itself on SIGINT
    waits for what is not acknowledged first; its figures are printed."""
    load.send_signal(signal.SIGINT)
    out = load.communicate(timeout=180)[0].strip()
    if out:
        print(out)
    assert load.returncode in (0, -signal.SIGINT), load.returncode
