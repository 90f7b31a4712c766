#!/usr/bin/env python3
"""Compare the tables of fields and enums with a vehicle_data.proto: packaging/compare_fields.py VEHICLE_DATA.PROTO

The tables are proto/fields.tsv and proto/enums.tsv. One line is printed for each difference:
  new         the file has it, the tables do not
  missing     the tables have it, the file does not
  renumbered  both have the name, with different numbers
The exit status is 0 without differences, 1 with differences, 2 if the file cannot be read."""
import os
import re
import sys

TOP = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


def table(name):
    with open(os.path.join(TOP, "proto", name)) as f:
        return [line.rstrip("\n").split("\t") for line in f if line.strip() and not line.startswith("#")]


def our_tables():
    """Fields by name, enums as name: members by name, and the tags of enums in Value."""
    enums, tags = {}, {}
    for enum, tag, number, member, _ in table("enums.tsv"):
        enums.setdefault(enum, {})
        if member != "-":
            enums[enum][member] = int(number)
        if tag != "-":
            tags[enum] = int(tag)
    return {row[1]: int(row[0]) for row in table("fields.tsv")}, enums, tags


def blocks(text, kind):
    """The top-level blocks `enum NAME {…}` or `message NAME {…}`: their names and contents."""
    for found in re.finditer(rf"\b{kind}\s+(\w+)\s*\{{", text):
        depth, end = 1, found.end()
        while depth:
            if end == len(text):
                raise ValueError(f"{kind} {found[1]} has no closing brace")
            depth += {"{": 1, "}": -1}.get(text[end], 0)
            end += 1
        yield found[1], text[found.end():end - 1]


def their_tables(path):
    with open(path, encoding="utf-8") as f:
        text = re.sub(r"//[^\n]*|/\*.*?\*/", " ", f.read(), flags=re.S)
    enums = {name: {member: int(number, 0) for member, number in re.findall(
        r"(\w+)\s*=\s*(-?(?:0[xX][0-9a-fA-F]+|\d+))\s*(?:\[[^\]]*\]\s*)?;", body)}
        for name, body in blocks(text, "enum")}
    values = dict(blocks(text, "message")).get("Value")
    if "Field" not in enums or values is None:
        raise ValueError("no `enum Field` and `message Value`")
    fields = enums.pop("Field")
    tags = {kind: int(tag) for kind, _, tag in re.findall(r"(\w+)\s+(\w+)\s*=\s*(\d+)\s*(?:\[[^\]]*\]\s*)?;", values)
            if kind in enums}
    return fields, enums, tags


def compare(what, ours, theirs):
    """The differences between two maps from names to numbers."""
    for name, number in theirs.items():
        if name not in ours:
            yield f"new: {what} {name} = {number}"
        elif ours[name] != number:
            yield f"renumbered: {what} {name} is {number} there and {ours[name]} here"
    for name, number in ours.items():
        if name not in theirs:
            yield f"missing: {what} {name} = {number}"


def differences(path):
    (our_fields, our_enums, our_tags), (fields, enums, tags) = our_tables(), their_tables(path)
    yield from compare("field", our_fields, fields)
    for name in enums.keys() | our_enums.keys():
        if name not in our_enums and name not in tags:
            continue  # no value of a field has this type
        yield from compare(f"{name}:", our_enums.get(name, {}), enums.get(name, {}))
    yield from compare("tag in Value of", our_tags, tags)


def main():
    if len(sys.argv) != 2:
        print(__doc__, file=sys.stderr)
        return 2
    try:
        found = sorted(differences(sys.argv[1]))
    except (OSError, ValueError) as e:
        print(f"{sys.argv[1]}: {e}", file=sys.stderr)
        return 2
    for line in found:
        print(line)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
