"""The names of the fields, from Tesla's vehicle_data.proto, and those that need the scope vehicle_location."""
import os
import re

PROTO = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../proto/vehicle_data.proto")


def _names():
    with open(PROTO, encoding="utf-8") as file:
        block = re.search(r"^enum Field \{(.*?)^\}", file.read(), re.S | re.M)[1]
    return set(re.findall(r"^\s*(\w+)\s*=\s*\d+", block, re.M)) - {"Unknown"}


FIELDS = _names()
LOCATION_FIELDS = {"Location", "OriginLocation", "DestinationLocation", "DestinationName", "RouteLine", "GpsState",
                   "GpsHeading"}
