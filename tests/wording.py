#!/usr/bin/env python3
"""Search sources, pages and tests for the left column of STYLE.md's glossary.

    tests/wording.py [FILE]... check these files, or all; prints each finding and the number for each folder
    tests/wording.py --count   print only the numbers

IDENTIFIERS are searched in code; PHRASES in comments, texts and pages. EXCEPTIONS lists what is right
although it matches, with the reason.
"""
import collections
import os
import re
import sys

TOP = os.environ.get("top_srcdir") or os.path.realpath(os.path.join(os.path.dirname(__file__), ".."))

# (pattern, what to write instead)
IDENTIFIERS = [
    (r"\w*keeper\w*", "key_reader"),
    (r"obey\w*|fr_control_order\w*", "handler, control command"),
    (r"\w*_house\b|\bhouse\b", "context, env"),
    (r"FR_MARK_\w+", "FR_FLAG_"),
    (r"fr_ack_owner|\w*_settled\b|\bsettled\b", "completion, completed"),
    (r"\w*_wrong\b", "config_error"),
    (r"\w*_room\b|\broom\b", "capacity, on_writable"),
    (r"\bleft_out\b|\bnot_edges\b|\buntracked\b", "skipped, filtered_edge, table_full"),
    (r"\bdead_peer\b", "peer_timeout"),
    (r"\w*begin_unended\w*|\w*ended_well\w*", "mark_unclean, clean_shutdown"),
    (r"FR_SUBMIT_LEFT|FR_SUBMIT_LATER", "FR_SUBMIT_REJECTED, FR_SUBMIT_AGAIN"),
    (r"\w*_spoke\b|\bspoke\b", "last_seen, touch"),
    (r"\w+_told\b|\btold_\w+", "reported, published"),
    (r"\w*riding\w*", "in_flight"),
    (r"\w*_visit\b", "open_readonly"),
    (r"\w*_offer\b", "enqueue"),
    (r"set_aside|\w+_aside\b", "dead-lettered, staged"),
    (r"\bmost_\w+|\w+_most\b|\bleast_\w+|\w+_least\b", "max, min"),
]
PHRASES = [
    (r"\bnobody\b", "no client, no thread: name it"),
    (r"\b(?:held|holds|hold|holding) back\b", "paused, backpressure"),
    (r"\bset aside\b|\bsets aside\b", "dead-lettered"),
    (r"\blets? go of\b", "release"),
    (r"\bwho came before\b|\bis left to\b", "a plain sentence"),
    (r"\b(?:is|are|was|were|be|been) told\b|\btells?\b|\btold\b", "notify, report"),
    (r"\bon board\b|\bboards\b", "enqueue"),
    (r"\bleft out\b", "skipped"),
    (r"\bwhoever\b|\bwhosoever\b", "name it"),
    (r"\bbad manners\b|\bodd plugin\b", "misbehaviour, fault plugin"),
    (r"\bobeys?\b", "handles"),
    (r"\bin vain\b|\bto be had\b|\bby and by\b", "a plain sentence"),
]
# (path pattern, text pattern, reason)
EXCEPTIONS = [
    (r"^(STYLE|CHANGELOG)\.md$|^tests/wording\.py$", r"", "they list the words"),
    (r"^core/config/", r'"(behind|dead_peer|unacknowledged|stall|least|most)"', "old keys, for the message with the new one"),
    (r"^core/journal/(journal_state|store_open)\.h$", r"\bended_well\b", "a key on disk"),
    (r"^tests/scenario/guard\.py$", r"\bnobody\b", "the system account of that name"),
    (r"^plugins/teslamate/", r"climate_keeper_mode", "the name in Tesla's API"),
    (r"\.py$", r"\w\.tell\(\)", "Python's position in a file"),
    (r"", r"climate_keeper_mode", "Tesla's name, a topic of TeslaMate"),
    (r"", r"garage[_ ]door", "the automation of Home Assistant"),
]


def files():
    for root in ("core", "plugins", "tests", "man", "etc", "packaging"):
        for folder, folders, names in os.walk(os.path.join(TOP, root)):
            folders[:] = [f for f in folders if f not in ("corpus", "vectors", "__pycache__", "found")]
            for name in sorted(names):
                if re.search(r"\.([chpy]+|am|inc|awk|js|html|yaml|sh|md|[1578])$|^run$", name):
                    yield os.path.relpath(os.path.join(folder, name), TOP)
    yield from (f for f in ("README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "SECURITY.md", "Makefile.am",
                            "configure.ac") if os.path.exists(os.path.join(TOP, f)))


def is_code(path):
    return path.endswith((".c", ".h", ".py", ".js"))


def is_excepted(path, line, match):
    for where, text, _ in EXCEPTIONS:
        if re.search(where, path) and (not text or any(
                m.start() < match.end() and match.start() < m.end() for m in re.finditer(text, line))):
            return True
    return False


IN_TEXT = [(re.compile(pattern), instead) for pattern, instead in PHRASES]
IN_CODE = IN_TEXT + [(re.compile(rf"\b(?:{pattern})"), instead) for pattern, instead in IDENTIFIERS]


def findings(path):
    patterns = IN_CODE if is_code(path) else IN_TEXT
    with open(os.path.join(TOP, path), encoding="utf-8") as f:
        for number, line in enumerate(f, 1):
            for pattern, instead in patterns:
                for match in pattern.finditer(line):
                    if not is_excepted(path, line, match):
                        yield f"{path}:{number}: \"{match[0]}\": write {instead}: {line.strip()[:90]}"


def main():
    numbers, found = collections.Counter(), []
    named = [a for a in sys.argv[1:] if not a.startswith("-")]
    for path in (f for f in files() if not named or f in named):
        for finding in findings(path):
            numbers[os.path.dirname(path) or "."] += 1
            found.append(finding)
    if "--count" not in sys.argv[1:]:
        print(*found, sep="\n", end="\n" if found else "")
    for folder, number in sorted(numbers.items()):
        print(f"{folder}: {number}")
    print(f"{len(found)} findings")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
