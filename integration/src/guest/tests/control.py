#!/usr/bin/env python3
"""Prints the connections of ikd that are not up, and why."""
import json
import socket
import sys

socket_path = sys.argv[1] if len(sys.argv) > 1 else "/run/ikd/control"


def call(method, parameters):
    with socket.socket(socket.AF_UNIX) as control:
        control.connect(socket_path)
        request = {"method": f"org.ikd.Control.{method}", "parameters": parameters}
        control.sendall(json.dumps(request).encode() + b"\0")
        reply = b""
        while not reply.endswith(b"\0"):
            part = control.recv(65536)
            if not part:
                raise ConnectionError("ikd closed the connection half way")
            reply += part
    reply = json.loads(reply[:-1])
    if "error" in reply:
        raise RuntimeError(f"{reply['error']}: {reply.get('parameters')}")
    return reply["parameters"]


for connection in call("List", {"connection": None, "failed": False})["connections"]:
    if connection["state"] != "up":
        failure = connection.get("last_failure") or {}
        print(connection["name"], connection["state"], failure.get("code", ""))
