"""The shop of examples/shop behind a gateway, which is every address its services and its clients know."""

import json
import os
import pathlib
import re
import signal
import subprocess
import sys

from . import sockets
from .gateway import ROOT, listener, merged, open_routes, settings
from .grpc_stubs import compiled

import grpc  # noqa: E402: after grpc_stubs, which settles how it forks

pb, rpc = compiled(ROOT / "contracts", "hipstershop")

SERVICES = {
    "cart": ("CartService", "CART"), "catalogue": ("ProductCatalogService", "PRODUCT_CATALOG"), "currency": ("CurrencyService", "CURRENCY"),
    "shipping": ("ShippingService", "SHIPPING"), "payment": ("PaymentService", "PAYMENT"), "email": ("EmailService", "EMAIL"),
    "recommendation": ("RecommendationService", "RECOMMENDATION"), "ad": ("AdService", "AD"), "checkout": ("CheckoutService", "CHECKOUT"),
}


def card(number: str = "4111111111111111", year: int = 2039, month: int = 1):
    return pb.CreditCardInfo(credit_card_number=number, credit_card_cvv=672, credit_card_expiration_year=year, credit_card_expiration_month=month)


class Services:
    """`examples/shop/run` as a process; `ports` are the addresses of what it runs, by name."""

    def __init__(self, log: pathlib.Path, *options: str, everywhere: str | None = None, **environment: str):
        """`everywhere`: where the services find each other, instead of where they are."""
        addresses = {f"{variable}_SERVICE_ADDR": everywhere for _, variable in SERVICES.values()} if everywhere else {}
        self._log = log
        self.process = subprocess.Popen(
            [ROOT / "examples/shop/run", *options],
            env={**os.environ, **addresses, **environment, "SHOP_PYTHON": sys.executable, "PYTHONDONTWRITEBYTECODE": "1"},
            stdin=subprocess.DEVNULL, stdout=log.open("wb"), stderr=subprocess.STDOUT)
        sockets.wait_until(lambda: "ready\n" in self.said() or self.process.poll() is not None, 20, "the shop to be ready")
        assert self.process.poll() is None, self.said()
        self.ports = {name: address for name, address in re.findall(r"^listening (\w+) (\S+)$", self.said(), re.M)}

    def said(self) -> str:
        return self._log.read_text()

    def kill(self) -> None:
        """Without a word to anybody."""
        self.process.kill()
        self.process.wait()

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                assert self.process.wait(10) == 0, self.said()
            finally:
                if self.process.poll() is None:
                    self.kill()


class Shop:
    """The services behind a gateway, and a stub for each. `weight` percent of the users have their carts
    in the event core, the others in the legacy service; orders of `checkout` percent are placed there, by `saga`. Services in
    `elsewhere` are at those addresses. `over` goes into the configuration, `environment` to the gateway. Whoever comes
    is let in, as long as `over` does not name other `routes`. `beside`: more listeners."""

    # As in config/shop.yaml.
    HTTP2 = {"max_concurrent_streams": 1000, "resets": {"burst": 2000, "per_second": 500}, "control": {"burst": 5000, "per_second": 2000}}

    def __init__(self, folder: pathlib.Path, stage, weight: int = 0, elsewhere: dict[str, list[str]] | None = None, checkout: int = 0,
                 environment: dict[str, str] | None = None, saga: str = "checkout", beside: tuple[dict, ...] = (), **over):
        self.flags = folder / "flags.yaml"
        self.weigh(weight, checkout)
        contracts = folder / "shop.binpb"
        subprocess.run([ROOT / "contracts/compile", contracts], check=True, stdin=subprocess.DEVNULL)
        address = f"127.0.0.1:{sockets.free_port()}"
        self.faults = folder / "faults"
        # Orders are placed in the event core.
        self.is_core = checkout > 0
        without = [word for name in elsewhere or {} for word in ("--except", name)]
        self.services = Services(folder / "shop.log", "--base-port", "0", *without, everywhere=address, SHOP_FAULTS=str(self.faults))
        try:
            places = {name: [at] for name, at in self.services.ports.items()} | (elsewhere or {})
            clusters = {name: {"endpoints": at, "protocol": "http2"} for name, at in places.items()}
            routes_read = open_routes(folder, "shop", "orders", "operations", "inventory")
            given = {"saga": saga, "cart": "cart", "cart_flag": "use-event-sourced-cart", "payment": {"unavailable": "not-done"}, "sagas": [str(ROOT / "config/sagas")]}
            config = settings(**merged(
                {"listeners": [listener(address=address, http2=self.HTTP2), *beside], "clusters": clusters, "routes": routes_read,
                 "flags": str(self.flags), "contracts": {"descriptors": str(contracts), "event_schemas": str(ROOT / "contracts/events")}, "checkout": given}, over))
            self.gateway = stage.gateway(config, [], **({"environment": environment} if environment else {}))
        except BaseException:
            self.services.close()
            raise
        self.channel = grpc.insecure_channel(address, options=[("grpc.use_local_subchannel_pool", 1)])
        for name, (service, _) in SERVICES.items():
            setattr(self, name, getattr(rpc, f"{service}Stub")(self.channel))

    def __enter__(self) -> "Shop":
        return self

    def __exit__(self, *_: object) -> None:
        self.channel.close()
        self.services.close()

    def weigh(self, carts: float, checkout: float, **targets: list) -> None:
        """Writes the flag file; the gateway reads it at its next reload. `targets`: of the flag `cart` or `checkout`."""
        flags = [{"name": f"use-event-sourced-{name}", "weight": weight, "targets": targets.get(name, [])}
                 for name, weight in (("cart", carts), ("checkout", checkout))]
        self.flags.write_text(json.dumps({"flags": flags}))

    def fails(self, *faults: str) -> None:
        """From now on, for every caller: `SERVICE/METHOD=WHAT` (examples/shop); none ends them."""
        self.faults.with_suffix(".new").write_text("".join(each + "\n" for each in faults))
        self.faults.with_suffix(".new").replace(self.faults)

    def add(self, user: str, product: str, quantity: int = 1) -> None:
        self.cart.AddItem(pb.AddItemRequest(user_id=user, item=pb.CartItem(product_id=product, quantity=quantity)), timeout=5)

    def holds(self, user: str) -> list[tuple[str, int]]:
        cart = self.cart.GetCart(pb.GetCartRequest(user_id=user), timeout=5)
        return [(item.product_id, item.quantity) for item in cart.items]

    def order(self, user: str, currency: str = "USD", faults: tuple[str, ...] = (), timeout: float = 10, **over):
        given = {
            "user_id": user, "user_currency": currency, "email": "ann@example.org", "credit_card": card(),
            "address": pb.Address(street_address="1 Harbour Street", city="Lisbon", country="Portugal", zip_code=1100), **over}
        request = pb.PlaceOrderRequest(**given)
        if not self.is_core:
            return self.checkout.PlaceOrder(request, timeout=timeout, metadata=[("shop-fault", each) for each in faults]).order
        # The event core's calls are its own: a client's metadata is not theirs.
        if not faults:
            return self.checkout.PlaceOrder(request, timeout=timeout).order
        self.fails(*faults)
        try:
            return self.checkout.PlaceOrder(request, timeout=timeout).order
        finally:
            self.fails()
