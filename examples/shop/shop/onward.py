"""Calls of one service to another."""

import grpc

from .faults import passed_on
from .stubs import rpc


# A call without a deadline has one after so long that it can be taken for none, and is no number that
# another call could be given.
FOREVER = 1e6


def remaining(context: grpc.ServicerContext) -> float | None:
    """Seconds until the caller's deadline; None when there is none."""
    seconds = context.time_remaining()
    return None if seconds is None or seconds > FOREVER else seconds


def caller(context: grpc.ServicerContext) -> str:
    """For a log line: ` for KEY` when the caller said what the call belongs to."""
    key = dict(context.invocation_metadata()).get("idempotency-key")
    return f" for {key}" if key else ""


class Onward:
    """A service under its address. Calls inherit the caller's deadline and end when the caller goes."""

    def __init__(self, service: str, address: str):
        self.channel = grpc.insecure_channel(address, options=[
            # Each service has a connection of its own, also where all addresses are one gateway's.
            ("grpc.use_local_subchannel_pool", 1),
            # The services may start in any order.
            ("grpc.initial_reconnect_backoff_ms", 100), ("grpc.max_reconnect_backoff_ms", 1000),
        ])
        self._stub = getattr(rpc, service + "Stub")(self.channel)

    def call(self, context: grpc.ServicerContext, method: str, request):
        """The answer; raises grpc.RpcError."""
        running = getattr(self._stub, method).future(request, timeout=remaining(context), metadata=passed_on(context))
        context.add_callback(running.cancel)
        return running.result()
