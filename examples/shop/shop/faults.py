"""Faults on request, for tests: metadata `shop-fault: SERVICE/METHOD=WHAT`, any number of times, travels
with a call to every service it reaches. WHAT is a status name, then perhaps a colon and a text
(`ShippingService/GetQuote=UNAVAILABLE:no vans`), or a time to wait first (`AdService/GetAds=250ms`).

Faults for every caller stand in the file that SHOP_FAULTS names, one a line; it is read again for each call."""

import os
import pathlib
import re
import time

import grpc

KEY = "shop-fault"
LONGEST = 30.0


def passed_on(context: grpc.ServicerContext) -> list[tuple[str, str]]:
    """The faults that came with a call, for the calls it makes."""
    return [(key, value) for key, value in context.invocation_metadata() if key == KEY]


def for_everybody() -> list[str]:
    """What the file says; nothing without one."""
    try:
        return pathlib.Path(os.environ["SHOP_FAULTS"]).read_text().split("\n")
    except (KeyError, FileNotFoundError):
        return []


class Faults(grpc.ServerInterceptor):
    """Carries out what was asked for, before the method."""

    def intercept_service(self, continuation, details):
        handler = continuation(details)
        method = details.method.removeprefix("/hipstershop.")
        given = [value for key, value in details.invocation_metadata if key == KEY] + for_everybody()
        asked = [value for value in given if value.startswith(method + "=")]
        if handler is None or not asked or handler.unary_unary is None:
            return handler

        def faulty(request, context):
            for value in asked:
                what = value.partition("=")[2]
                if wait := re.fullmatch(r"(\d{1,6})ms", what):
                    time.sleep(min(int(wait[1]) / 1000, LONGEST))
                else:
                    name, _, text = what.partition(":")
                    context.abort(grpc.StatusCode[name], text or "asked for")
            return handler.unary_unary(request, context)

        return grpc.unary_unary_rpc_method_handler(
            faulty, request_deserializer=handler.request_deserializer, response_serializer=handler.response_serializer)
