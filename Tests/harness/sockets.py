"""Addresses as the gateway writes them (`127.0.0.1:8080`, `[::1]:8080`, `unix:/path`) and raw sockets."""

import contextlib
import itertools
import random
import socket
import struct
import time


def connect(address: str, timeout: float = 5.0, source: str | None = None) -> socket.socket:
    """A connected stream socket; `source` is the local IPv4 address to bind first."""
    if address.startswith("unix:"):
        made = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        made.settimeout(timeout)
        made.connect(address.removeprefix("unix:"))
        return made
    host, _, port = address.rpartition(":")
    made = socket.create_connection((host.strip("[]"), int(port)), timeout, source_address=(source, 0) if source else None)
    made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return made


def listen(address: str = "127.0.0.1:0", backlog: int = 1024) -> socket.socket:
    """A listening socket on `address`."""
    if address.startswith("unix:"):
        made = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        made.bind(address.removeprefix("unix:"))
    else:
        host, _, port = address.rpartition(":")
        made = socket.socket(socket.AF_INET6 if host.startswith("[") else socket.AF_INET, socket.SOCK_STREAM)
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.bind((host.strip("[]"), int(port)))
    made.listen(backlog)
    return made


def address_of(listening: socket.socket) -> str:
    """The address another process would write to reach this socket."""
    if listening.family == socket.AF_UNIX:
        return f"unix:{listening.getsockname()}"
    host, port = listening.getsockname()[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


# Each process of a parallel run begins at another place.
_ports = itertools.cycle(range(10_000 + random.randrange(20_000), 32_000))


def free_port() -> int:
    """A port nobody listens on now. For servers that cannot be asked to pick one (nginx, HAProxy).

    Below those that the system picks from, so that no test beside this one is given it meanwhile."""
    while True:
        port = next(_ports)
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


def closed_address() -> str:
    """An address that refuses connections: bound once, then given back."""
    return f"127.0.0.1:{free_port()}"


def reset(victim: socket.socket) -> None:
    """Close with RST instead of FIN, as a crashed peer would."""
    with contextlib.suppress(OSError):
        if victim.family != socket.AF_UNIX:
            victim.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    victim.close()


def wait_until(condition, seconds: float = 5.0, what: str = "condition", every: float = 0.01):
    """Poll `condition` until it is true and return its value; an AssertionError names `what` otherwise."""
    deadline = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"{what}: not within {seconds} s")
        time.sleep(every)
