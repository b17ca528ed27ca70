"""Which route a request takes, over the wire."""

import json

import pytest

from harness.gateway import listener, route, settings
from harness.wire import get, once


def fixed(name: str, path: str, **match) -> dict:
    return {"name": name, "match": {"path": path, **match}, "target": {"fixed": {"status": 200, "body": name, "content_type": "text/plain"}}}


ROUTES = [
    fixed("literal", "/items/special"),
    fixed("parameter", "/items/{id}"),
    fixed("rest", "/items/{rest...}"),
    fixed("any", "/{rest...}"),
    fixed("post", "/methods", method="POST"),
    fixed("put-patch", "/methods", method=["PUT", "PATCH"]),
    fixed("tenant", "/tenant", headers={"x-tenant": "blue"}),
    fixed("tenant-any", "/tenant", headers={"x-tenant": {"present": True}}),
    fixed("no-tenant", "/tenant"),
    fixed("host", "/who", host="shop.example"),
    fixed("wildcard", "/who", host="*.shop.example"),
    fixed("long-wildcard", "/who", host="*.eu.shop.example"),
    fixed("other-listener", "/inner", listener="inner"),
]


@pytest.fixture(scope="module")
def gateway(shared_stage):
    return shared_stage.gateway(settings(listeners=[listener(), listener("inner")]), ROUTES)


@pytest.mark.parametrize(
    "method, target, host, fields, want",
    [
        ("GET", "/items/special", "a", (), "literal"),
        ("GET", "/items/7", "a", (), "parameter"),
        ("GET", "/items/a%2Fb", "a", (), "parameter"),
        ("GET", "/items/7/8", "a", (), "rest"),
        ("GET", "/items/special/8", "a", (), "rest"),
        ("GET", "/items/%73pecial", "a", (), "literal"),
        ("GET", "/else", "a", (), "any"),
        ("POST", "/methods", "a", (), "post"),
        ("PATCH", "/methods", "a", (), "put-patch"),
        ("GET", "/tenant", "a", ("X-Tenant: blue",), "tenant"),
        ("GET", "/tenant", "a", ("x-tenant: red",), "tenant-any"),
        ("GET", "/tenant", "a", (), "no-tenant"),
        ("GET", "/who", "shop.example", (), "host"),
        ("GET", "/who", "SHOP.example:80", (), "host"),
        ("GET", "/who", "a.shop.example", (), "wildcard"),
        ("GET", "/who", "a.eu.shop.example", (), "long-wildcard"),
        ("GET", "/who", "other.example", (), "any"),
        ("GET", "/who", "xshop.example", (), "any"),
    ],
)
def test_the_most_specific_route_wins(gateway, method, target, host, fields, want):
    reply = once(gateway.address, get(target, *fields, host=host, method=method))
    assert (reply.status, reply.body) == (200, want.encode())


def test_routes_belong_to_listeners(gateway):
    assert once(gateway.listeners["inner"], get("/inner")).body == b"other-listener"
    assert once(gateway.address, get("/inner")).body == b"any"


def test_no_route_is_404_as_a_problem(stage):
    gateway = stage.gateway(settings(), [fixed("only", "/only", method=["GET", "PUT"])])
    reply = once(gateway.address, get("/else", "Correlation-Id: c1"))
    problem = json.loads(reply.body)
    assert reply.status == 404 and reply.field("content-type") == "application/problem+json"
    assert {"type", "title", "status", "code", "requestId", "correlationId"} <= set(problem)
    assert (problem["status"], problem["code"], problem["correlationId"]) == (404, "NO_ROUTE", "c1")


def test_another_method_is_405_with_allow(stage):
    gateway = stage.gateway(settings(), [fixed("only", "/only", method=["GET", "PUT"])])
    reply = once(gateway.address, get("/only", method="DELETE"))
    allowed = {method.strip() for method in (reply.field("allow") or "").split(",")}
    assert reply.status == 405 and {"GET", "PUT"} <= allowed and "DELETE" not in allowed
    assert json.loads(reply.body)["code"] == "METHOD_NOT_ALLOWED"


def test_a_flag_that_nothing_has_turned_on_leaves_the_fallback_in_charge(stage):
    new, old = stage.backend(), stage.backend()
    config = settings(new.address)
    config["clusters"]["legacy"] = {"endpoints": [old.address]}
    flagged = {**route(), "flag": "use-event-sourced-cart", "fallback": {"cluster": "legacy"}}
    gateway = stage.gateway(config, [flagged])
    assert once(gateway.address, get("/")).status == 200
    assert (len(new.requests), len(old.requests)) == (0, 1)
