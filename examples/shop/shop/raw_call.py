"""A unary call without grpcio, whose client turns every status it has no name for into UNKNOWN and
loses the number. The checkout needs the number of the payment service's refusals."""

import socket
import struct
import time
import urllib.parse

import h2.config
import h2.connection
import h2.events
import h2.exceptions

LARGEST = 1 << 20
# What an answer without a status of gRPC's own means, by its HTTP status.
NOT_GRPC = {"400": 13, "401": 16, "403": 7, "404": 12, "429": 14, "502": 14, "503": 14, "504": 14}


class Ended(Exception):
    """The call did not end with OK."""

    def __init__(self, number: int, text: str):
        super().__init__(number, text)
        self.number = number
        self.text = text


def unary(address: str, method: str, message: bytes, metadata: list[tuple[str, str]], seconds: float | None) -> bytes:
    """Calls `method` (`/package.Service/Method`) on a connection of its own; the answer's bytes.

    Raises Ended with the status number and text from the wire; 14 when nobody answers, 4 when not in time.
    """
    patience = 30.0 if seconds is None else max(seconds, 0.001)
    deadline = time.monotonic() + patience
    host, _, port = address.rpartition(":")
    try:
        with socket.create_connection((host.strip("[]"), int(port)), timeout=patience) as link:
            return _exchange(link, address, method, message, metadata, patience, deadline)
    except TimeoutError:
        raise Ended(4, "context deadline exceeded") from None
    except (OSError, h2.exceptions.ProtocolError) as error:
        raise Ended(14, f"connection error: {error}") from None


def _exchange(link, address, method, message, metadata, patience, deadline) -> bytes:
    wire = h2.connection.H2Connection(h2.config.H2Configuration(client_side=True, header_encoding="utf-8"))
    wire.initiate_connection()
    wire.send_headers(1, [
        (":method", "POST"), (":scheme", "http"), (":path", method), (":authority", address),
        ("content-type", "application/grpc"), ("te", "trailers"), ("grpc-timeout", f"{int(patience * 1000)}m"), *metadata])
    wire.send_data(1, b"\0" + struct.pack(">I", len(message)) + message, end_stream=True)
    link.sendall(wire.data_to_send())
    fields: dict[str, str] = {}
    body = b""
    while True:
        link.settimeout(max(deadline - time.monotonic(), 0.001))
        received = link.recv(65536)
        if not received:
            raise Ended(14, "error reading from server: EOF")
        for event in wire.receive_data(received):
            match event:
                case h2.events.ResponseReceived() | h2.events.TrailersReceived():
                    fields.update(event.headers)
                case h2.events.DataReceived():
                    body += event.data
                    if len(body) > LARGEST:
                        raise Ended(8, "received message larger than max")
                    wire.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
                case h2.events.StreamReset() | h2.events.ConnectionTerminated():
                    raise Ended(14, f"the stream was ended with {event.error_code!s}")
                case h2.events.StreamEnded():
                    return _answer(fields, body)
        link.sendall(wire.data_to_send())


def _answer(fields: dict[str, str], body: bytes) -> bytes:
    if "grpc-status" not in fields:
        status = fields.get(":status", "none")
        raise Ended(NOT_GRPC.get(status, 2), f"unexpected HTTP status code received from server: {status}")
    if (number := int(fields["grpc-status"])) != 0:
        raise Ended(number, urllib.parse.unquote(fields.get("grpc-message", "")))
    return body[5:]
