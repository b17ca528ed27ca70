"""TLS clients and servers for tests: Python's ssl, strict about truncation."""

import contextlib
import socket
import ssl
import threading
import urllib.request

from . import sockets
from .certificates import Authority, Pair, openssl
from .recorder import Gone, Peer, Play
from .wire import Reply, Wire


def trusting(authority: Authority | None, *, alpn: tuple[str, ...] = (), client: Pair | None = None, most: ssl.TLSVersion | None = None,
             least: ssl.TLSVersion | None = None) -> ssl.SSLContext:
    """A client's context that verifies against `authority`; None verifies nothing."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    if authority:
        context.load_verify_locations(authority.certificate)
    else:
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    if alpn:
        context.set_alpn_protocols(list(alpn))
    if client:
        context.load_cert_chain(client.chain, client.key)
    if most:
        context.maximum_version = most
    if least:
        context.minimum_version = least
    return context


def serving(pair: Pair, *, clients: Authority | None = None, alpn: tuple[str, ...] = ()) -> ssl.SSLContext:
    """A server's context; with `clients` it demands certificates of them."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pair.chain, pair.key)
    if clients:
        context.load_verify_locations(clients.certificate)
        context.verify_mode = ssl.CERT_REQUIRED
    if alpn:
        context.set_alpn_protocols(list(alpn))
    return context


class SecureWire(Wire):
    """A raw HTTP/1.1 client over TLS. `ended` is `closed` after close_notify and `truncated` without one."""

    def __init__(self, address: str, context: ssl.SSLContext, name: str | None = "localhost", timeout: float = 5.0, session: ssl.SSLSession | None = None):
        super().__init__(address, timeout)
        self.socket = context.wrap_socket(self.socket, server_hostname=name, suppress_ragged_eofs=False, session=session)

    def _fill(self, timeout: float) -> bool:
        if self.ended:
            return False
        self.socket.settimeout(timeout)
        try:
            data = self.socket.recv(262144)
        except TimeoutError:
            return False
        except ssl.SSLEOFError:
            self.ended = "truncated"
            return False
        except OSError:
            self.ended = "reset"
            return False
        if not data:
            self.ended = "closed"
            return False
        self.buffer += data
        return True


def ask(address: str, context: ssl.SSLContext, data: bytes, name: str | None = "localhost") -> Reply:
    """One request on a TLS connection of its own."""
    with SecureWire(address, context, name) as wire:
        return wire.ask(data)


def secured(context: ssl.SSLContext, play: Play) -> Play:
    """`play` behind a TLS handshake; a client that does not finish one is gone."""

    def secure(peer: Peer) -> None:
        peer.socket.settimeout(10)
        try:
            peer.socket = context.wrap_socket(peer.socket, server_side=True, suppress_ragged_eofs=False)
        except OSError as error:
            raise Gone(str(error)) from error
        play(peer)

    return secure


def s_client(address: str, *words: str, data: bytes = b"", timeout: float = 15.0) -> str:
    """What `openssl s_client` says, standard output and error together."""
    done = openssl("s_client", "-connect", address, *words, data=data, timeout=timeout, check=False)
    return (done.stdout + done.stderr).decode("latin-1")


def handshakes(gateway) -> dict[tuple[str, str, str], int]:
    """`nexus_tls_handshakes_total` by (side, result, version)."""
    text = urllib.request.urlopen(f"http://{gateway.admin}/metrics", timeout=5).read().decode()
    found = {}
    for line in text.splitlines():
        if line.startswith("nexus_tls_handshakes_total{"):
            labels, _, value = line.partition("{")[2].partition("} ")
            members = dict(part.split("=", 1) for part in labels.split(","))
            found[tuple(members[name].strip('"') for name in ("side", "result", "version"))] = int(float(value))
    return found


@contextlib.contextmanager
def relay(target: str, cut_after: int):
    """A TCP relay that ends the server's direction, with FIN, after so many bytes of it: a truncation attack."""
    listening = sockets.listen()

    def carry() -> None:
        with contextlib.suppress(OSError):
            client, _ = listening.accept()
            server = sockets.connect(target)

            def up() -> None:
                with contextlib.suppress(OSError):
                    while data := client.recv(65536):
                        server.sendall(data)

            threading.Thread(target=up, daemon=True).start()
            left = cut_after
            while left > 0 and (data := server.recv(min(65536, left))):
                client.sendall(data)
                left -= len(data)
            client.shutdown(socket.SHUT_WR)  # closing would wait for the other thread's read

    threading.Thread(target=carry, daemon=True).start()
    try:
        yield sockets.address_of(listening)
    finally:
        listening.close()
