"""What several of the journal's tests look for."""
import contextlib
import signal

from fr import PATIENCE


def in_order_for_each_vehicle(records):
    """Every vehicle's txids end in a growing number; a txid that is seen again is ignored."""
    last, seen = {}, set()
    for r in records:
        if r["txid"] in seen:
            continue
        seen.add(r["txid"])
        number = int(r["txid"].rsplit("-", 1)[1])
        assert number > last.get(r["vin"], -1), (r["vin"], r["txid"], last[r["vin"]])
        last[r["vin"]] = number


@contextlib.contextmanager
def endless_load(d, *arguments):
    """A load that lasts as long as the `with` block, in a process that does not outlive it."""
    load = d.simulate_beside("--duration", 7200, "--acknowledged", d.path("acknowledged"), *arguments)
    try:
        yield load
        assert load.poll() is None, "the load has ended"
        load.send_signal(signal.SIGINT)  # as if its duration was over: it waits for acknowledgements
        print(load.communicate(timeout=180 * PATIENCE)[0].strip())
        assert load.returncode == 0, load.returncode
    finally:
        if load.poll() is None:
            load.kill()
            load.communicate()
