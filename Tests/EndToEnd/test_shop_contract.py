"""The shop's contract as it is on the wire: names, numbers and types that no change may touch."""

import os
import subprocess
import time

import pytest
from google.protobuf import descriptor_pb2
from grpc_health.v1 import health_pb2

from harness.gateway import ROOT

MESSAGES = """
Money: string currency_code=1, int64 units=2, int32 nanos=3
Address: string street_address=1, string city=2, string state=3, string country=4, int32 zip_code=5
CreditCardInfo: string credit_card_number=1, int32 credit_card_cvv=2, int32 credit_card_expiration_year=3, int32 credit_card_expiration_month=4
Empty:
CartItem: string product_id=1, int32 quantity=2
Cart: string user_id=1, repeated CartItem items=2
AddItemRequest: string user_id=1, CartItem item=2
GetCartRequest: string user_id=1
EmptyCartRequest: string user_id=1
Product: string id=1, string name=2, string description=3, string picture=4, Money price_usd=5, repeated string categories=6
ListProductsResponse: repeated Product products=1
GetProductRequest: string id=1
SearchProductsRequest: string query=1
SearchProductsResponse: repeated Product results=1
ListRecommendationsRequest: string user_id=1, repeated string product_ids=2
ListRecommendationsResponse: repeated string product_ids=1
GetQuoteRequest: Address address=1, repeated CartItem items=2
GetQuoteResponse: Money cost_usd=1
ShipOrderRequest: Address address=1, repeated CartItem items=2
ShipOrderResponse: string tracking_id=1
GetSupportedCurrenciesResponse: repeated string currency_codes=1
CurrencyConversionRequest: Money from=1, string to_code=2
ChargeRequest: Money amount=1, CreditCardInfo credit_card=2
ChargeResponse: string transaction_id=1
OrderItem: CartItem item=1, Money cost=2
OrderResult: string order_id=1, string shipping_tracking_id=2, Money shipping_cost=3, Address shipping_address=4, repeated OrderItem items=5
SendOrderConfirmationRequest: string email=1, OrderResult order=2
PlaceOrderRequest: string user_id=1, string user_currency=2, Address address=3, string email=5, CreditCardInfo credit_card=6
PlaceOrderResponse: OrderResult order=1
AdRequest: repeated string context_keys=1
AdResponse: repeated Ad ads=1
Ad: string redirect_url=1, string text=2
"""
METHODS = """
CartService.AddItem AddItemRequest Empty
CartService.GetCart GetCartRequest Cart
CartService.EmptyCart EmptyCartRequest Empty
RecommendationService.ListRecommendations ListRecommendationsRequest ListRecommendationsResponse
ProductCatalogService.ListProducts Empty ListProductsResponse
ProductCatalogService.GetProduct GetProductRequest Product
ProductCatalogService.SearchProducts SearchProductsRequest SearchProductsResponse
ShippingService.GetQuote GetQuoteRequest GetQuoteResponse
ShippingService.ShipOrder ShipOrderRequest ShipOrderResponse
CurrencyService.GetSupportedCurrencies Empty GetSupportedCurrenciesResponse
CurrencyService.Convert CurrencyConversionRequest Money
PaymentService.Charge ChargeRequest ChargeResponse
EmailService.SendOrderConfirmation SendOrderConfirmationRequest Empty
CheckoutService.PlaceOrder PlaceOrderRequest PlaceOrderResponse
AdService.GetAds AdRequest AdResponse
"""

TYPES = {5: "int32", 3: "int64", 9: "string"}


@pytest.fixture(scope="module")
def files(tmp_path_factory) -> dict[str, descriptor_pb2.FileDescriptorProto]:
    """What contracts/compile makes, by file name."""
    out = tmp_path_factory.mktemp("contracts") / "set.binpb"
    subprocess.run([ROOT / "contracts/compile", out], check=True, stdin=subprocess.DEVNULL)
    made = descriptor_pb2.FileDescriptorSet.FromString(out.read_bytes()).file
    return {each.name: each for each in made}


def described(field: descriptor_pb2.FieldDescriptorProto) -> str:
    kind = TYPES.get(field.type) or field.type_name.removeprefix(".hipstershop.")
    return f"{'repeated ' * (field.label == field.LABEL_REPEATED)}{kind} {field.name}={field.number}"


def test_messages_and_methods_of_the_shop(files):
    file = files["hipstershop.proto"]
    assert (file.package, file.syntax) == ("hipstershop", "proto3") and not file.enum_type
    messages = {f"{each.name}: {', '.join(map(described, each.field))}".rstrip() for each in file.message_type}
    assert messages == set(MESSAGES.strip().splitlines())
    short = lambda name: name.removeprefix(".hipstershop.")  # noqa: E731
    methods = [(f"{service.name}.{each.name} {short(each.input_type)} {short(each.output_type)}", each) for service in file.service for each in service.method]
    assert {text for text, _ in methods} == set(METHODS.strip().splitlines())
    assert not any(each.client_streaming or each.server_streaming for _, each in methods)


def test_health_is_the_published_one(files):
    ours = files["grpc/health/v1/health.proto"]
    theirs = descriptor_pb2.FileDescriptorProto()
    health_pb2.DESCRIPTOR.CopyToProto(theirs)
    messages = {each.name: each for each in theirs.message_type}
    assert ours.package == theirs.package
    for message in ours.message_type:
        published = messages[message.name]
        assert [(f.name, f.number, f.type, f.type_name) for f in message.field] == [(f.name, f.number, f.type, f.type_name) for f in published.field]
        assert list(message.enum_type) == list(published.enum_type)
    known = {each.name: each for each in theirs.service[0].method}
    assert {each.name for each in ours.service[0].method} == {"Check", "Watch"}
    for method in ours.service[0].method:
        assert method.server_streaming == known[method.name].server_streaming and method.input_type == known[method.name].input_type


def test_importers_come_after_what_they_import(files):
    """Whoever loads the set needs one pass."""
    seen: set[str] = set()
    for name, file in files.items():
        assert set(file.dependency) <= seen, name
        seen.add(name)
    assert "google/protobuf/timestamp.proto" in seen
    packages = {each.package for each in files.values()}
    assert {"hipstershop", "nexus.inventory.v1", "nexus.gateway.v1", "grpc.health.v1", "grpc.reflection.v1", "grpc.reflection.v1alpha"} <= packages


def test_the_set_is_made_anew_only_when_a_source_is_newer(tmp_path):
    folder = tmp_path / "contracts"
    folder.mkdir()
    script = folder / "compile"
    script.write_bytes((ROOT / "contracts/compile").read_bytes())
    script.chmod(0o755)
    source, out = folder / "a.proto", folder / "descriptors.binpb"
    source.write_text('syntax = "proto3"; package a; message A { int32 b = 1; }')

    def made() -> int:
        subprocess.run([script], check=True, stdin=subprocess.DEVNULL)
        time.sleep(0.05)  # what changes after this is newer, however coarse the clock of files is
        return out.stat().st_mtime_ns

    first = made()
    assert made() == first
    os.utime(source)
    second = made()
    assert second > first
    (folder / "b.proto").write_text('syntax = "proto3"; package b;')
    third = made()
    assert third > second and len(descriptor_pb2.FileDescriptorSet.FromString(out.read_bytes()).file) == 2
    (folder / "b.proto").unlink()
    assert made() > third and len(descriptor_pb2.FileDescriptorSet.FromString(out.read_bytes()).file) == 1
    source.write_text("no proto")
    failed = subprocess.run([script], capture_output=True, text=True, stdin=subprocess.DEVNULL)
    assert failed.returncode != 0 and "a.proto:1" in failed.stderr
    assert sorted(each.name for each in folder.iterdir()) == ["a.proto", "compile", "descriptors.binpb"], "the last good set stays"
