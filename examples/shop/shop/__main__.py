"""The shop's services in one process, each a gRPC server on a port of its own with its health service.

Says `listening NAME ADDRESS` for each and then `ready`. Where a service calls another, it takes the
address from the environment (CART_SERVICE_ADDR and so on: a gateway's, for instance), else the one
that was started here.
"""

import argparse
import concurrent.futures
import os
import signal
import sys
import threading

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc

from .ads import Ads
from .cart import Cart
from .catalogue import Catalogue
from .checkout import Checkout
from .currency import Currency
from .faults import Faults
from .mail import Mail
from .onward import Onward
from .payment import Payment
from .recommendations import Recommendations
from .shipping import Shipping
from .stubs import rpc

# Short name -> (gRPC service, variable with its address). The order is that of the ports.
SERVICES = {
    "cart": ("CartService", "CART_SERVICE_ADDR"),
    "catalogue": ("ProductCatalogService", "PRODUCT_CATALOG_SERVICE_ADDR"),
    "currency": ("CurrencyService", "CURRENCY_SERVICE_ADDR"),
    "shipping": ("ShippingService", "SHIPPING_SERVICE_ADDR"),
    "payment": ("PaymentService", "PAYMENT_SERVICE_ADDR"),
    "email": ("EmailService", "EMAIL_SERVICE_ADDR"),
    "recommendation": ("RecommendationService", "RECOMMENDATION_SERVICE_ADDR"),
    "ad": ("AdService", "AD_SERVICE_ADDR"),
    "checkout": ("CheckoutService", "CHECKOUT_SERVICE_ADDR"),
}


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="run", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1", help="where to listen")
    parser.add_argument("--base-port", type=int, default=7070, help="port of the first service, the others follow in order; 0 = any free ones")
    names = parser.add_mutually_exclusive_group()
    names.add_argument("--only", action="append", choices=SERVICES, default=[], metavar="NAME", help="start this one (again for more)")
    names.add_argument("--except", action="append", choices=SERVICES, default=[], metavar="NAME", dest="without", help="do not start this one")
    return parser.parse_args()


def server(name: str, host: str, port: int) -> tuple[grpc.Server, str]:
    """A server with its health service, and its address."""
    made = grpc.server(
        concurrent.futures.ThreadPoolExecutor(16, name), interceptors=[Faults()], options=[("grpc.so_reuseport", 0)])
    state = health.HealthServicer()
    for known in ("", f"hipstershop.{SERVICES[name][0]}"):
        state.set(known, health_pb2.HealthCheckResponse.SERVING)
    health_pb2_grpc.add_HealthServicer_to_server(state, made)
    return made, f"{host}:{made.add_insecure_port(f'{host}:{port}')}"


def main() -> int:
    chosen = options()
    names = [name for name in SERVICES if name not in chosen.without and (not chosen.only or name in chosen.only)]
    ports = {name: chosen.base_port + place if chosen.base_port else 0 for place, name in enumerate(SERVICES)}
    servers, addresses = {}, {}
    for name in names:
        try:
            servers[name], addresses[name] = server(name, chosen.host, ports[name])
        except RuntimeError:
            print(f"{name}: port {ports[name]} is taken", file=sys.stderr)
            return 1

    def address(name: str) -> str:
        return os.environ.get(SERVICES[name][1]) or addresses.get(name) or f"{chosen.host}:{ports[name]}"

    def onward(*wanted: str) -> dict[str, Onward]:
        return {name: Onward(SERVICES[name][0], address(name)) for name in wanted}

    makers = {
        "cart": Cart, "catalogue": Catalogue, "currency": Currency, "shipping": Shipping, "payment": Payment, "email": Mail, "ad": Ads,
        "recommendation": lambda: Recommendations(onward("catalogue")["catalogue"]),
        "checkout": lambda: Checkout(onward("cart", "catalogue", "currency", "shipping", "email"), address("payment")),
    }
    for name in names:
        getattr(rpc, f"add_{SERVICES[name][0]}Servicer_to_server")(makers[name](), servers[name])

    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    for name in names:
        servers[name].start()
        print(f"listening {name} {addresses[name]}", flush=True)
    print("ready", flush=True)
    stop.wait()
    for ending in [each.stop(1) for each in servers.values()]:
        ending.wait()
    return 0


if __name__ == "__main__":
    sys.exit(main())
