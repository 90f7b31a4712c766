"""What several of the journal's tests look for."""


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
