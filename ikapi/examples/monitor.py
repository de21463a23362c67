#!/usr/bin/env python3
"""Lists ikd's connections and follows its events, in Python's standard library alone.

    monitor.py [SOCKET] [--level LEVEL] [--count EVENTS]

It knows the address of the socket and the wire format of Varlink (JSON objects, each ended by a NUL byte, over a Unix
socket). Which methods there are and what they take, it asks the daemon. An example to start from.
"""

import argparse
import json
import re
import socket
import sys
from datetime import datetime, timezone


class Refused(Exception):
    """The daemon said no: the error's name and its parameters."""


class Service:
    """A Varlink service, its methods as attributes: service.List(failed=True)."""

    def __init__(self, path, interface):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.socket.connect(path)
        self.stream = self.socket.makefile("rb")
        self.interface = interface
        described = next(self.replies("org.varlink.service.GetInterfaceDescription", {"interface": interface}))
        # Comments go; then `method Name(in: type, ...) -> (...)`, parentheses of enumerations within.
        text = re.sub(r"#.*", "", described["description"])
        self.methods = {
            found[1]: re.findall(r"(\w+)\s*:", found[2])
            for found in re.finditer(r"\bmethod\s+(\w+)\s*\((.*?)\)\s*->", text, re.DOTALL)
        }

    def replies(self, method, parameters, more=False):
        """Calls, and yields the parameters of every reply."""
        call = {"method": method, "parameters": parameters, "more": more}
        self.socket.sendall(json.dumps(call).encode() + b"\0")
        while True:
            reply = json.loads(self.message())
            if "error" in reply:
                raise Refused(reply["error"], reply.get("parameters"))
            yield reply.get("parameters", {})
            if not reply.get("continues"):
                return

    def message(self):
        """One message without its NUL."""
        found = bytearray()
        while not found.endswith(b"\0"):
            piece = self.stream.read(1)
            if not piece:
                raise EOFError("the daemon has closed the connection")
            found += piece
        return found[:-1]

    def __getattr__(self, method):
        if method not in self.methods:
            raise AttributeError(f"{self.interface} has no method {method}")

        def call(more=False, **parameters):
            unknown = set(parameters) - set(self.methods[method])
            if unknown:
                raise TypeError(f"{method} does not take {', '.join(sorted(unknown))}")
            # What may be null may be left out.
            return self.replies(f"{self.interface}.{method}", parameters, more)

        return call


def plain(text):
    """Nothing that a terminal would act upon: names in events come from strangers."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in str(text))


def main():
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("socket", nargs="?", default="/run/ikd/control")
    arguments.add_argument("--level", default="info")
    arguments.add_argument("--count", type=int, help="end after so many events")
    options = arguments.parse_args()

    service = Service(options.socket, "org.ikd.Control")
    for part in service.List(more=True, failed=False):
        for connection in part["connections"]:
            print(plain(connection["name"]), connection["state"], sep=": ", flush=True)

    told = 0
    for reply in service.Monitor(more=True, events=[], level=options.level):
        if reply["missed"]:
            print("missed:", reply["missed"], flush=True)
        event = reply["event"]
        if event:
            time = datetime.fromtimestamp(event["at_microseconds"] / 1e6, timezone.utc)
            where = f"{event['connection']}: " if event["connection"] else ""
            print(time.isoformat(timespec="milliseconds"), event["level"], event["name"], plain(where + event["message"]), flush=True)
            told += 1
            if told == options.count:
                return


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        pass
    except (Refused, OSError, EOFError) as error:
        sys.exit(f"monitor.py: {error}")
