"""A fake Tesla cloud for a person, or for a client in another language: python3 -m fake_tesla, in tests/."""
import argparse
import json
import os
import signal
import sys

if __package__ in (None, ""):  # run by the name of the folder
    sys.path[0] = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
from fake_tesla import FakeTesla


def main():
    parser = argparse.ArgumentParser(prog="fake_tesla", description="Serves a fake Tesla cloud on 127.0.0.1 until it "
                                     "is interrupted, and prints its addresses as a line of JSON.")
    parser.add_argument("folder", help="gets the CA, the keys and other files")
    parser.add_argument("--setup", metavar="FILE", help='JSON: a list of calls of the control port, as {"call": '
                        '"vehicle", "args": ["5YJ3E1EA7KF000001"], "kwargs": {"paired": true}}')
    parser.add_argument("--tesla-jws", metavar="PROGRAM", help="Tesla's program, to verify each token too")
    arguments = parser.parse_args()
    with FakeTesla(arguments.folder, tesla_jws=arguments.tesla_jws) as fake:
        if arguments.setup:
            with open(arguments.setup) as file:
                for command in json.load(file):
                    fake.control(command["call"], command.get("args", []), command.get("kwargs", {}))
        print(json.dumps(fake.urls()), flush=True)
        signal.sigwait({signal.SIGINT, signal.SIGTERM})


signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM})
main()
