"""The command line: check, routes, explain, version."""

import subprocess

import pytest

from harness.gateway import CARTS, binary, route, settings

GOOD = settings("127.0.0.1:9", admin="off")


def test_version():
    done = subprocess.run([binary(), "--version"], capture_output=True, text=True, timeout=10)
    assert done.returncode == 0 and any(character.isdigit() for character in done.stdout)


def test_check_is_silent_about_good_files(stage):
    done = stage.files(GOOD, [route(), *CARTS]).run("check")
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("schemas, takes_commands, warns", [(None, True, True), (None, False, False), ("off", True, False), (GOOD["contracts"]["event_schemas"], True, False)])
def test_events_that_nothing_validates_deserve_a_warning(stage, schemas, takes_commands, warns):
    config = {**GOOD, "contracts": {"event_schemas": schemas} if schemas else {}}
    done = stage.files(config, [route(), *(CARTS if takes_commands else [])]).run("check")
    assert done.returncode == 0
    assert ("warning" in done.stderr and "contracts/events" in done.stderr) == warns, done.stderr


def test_check_prints_every_problem_with_its_place(stage):
    config = "workers: many\nlisteners:\n  - name: public\n    address: nonsense\nworkerz: 1\nclusters:\n  up: { endpoints: [] }\n"
    routes = (
        "routes:\n"
        "  - name: a\n    match: { path: /a }\n    target: { cluster: nowhere }\n"
        "  - name: a\n    match: { path: /b }\n    target: { fixed: { status: 200 } }\n"
        "  - name: c\n    match: { path: /c }\n    target: { fixed: { status: 200 } }\n    flag: f\n"
        "  - name: d\n    match: { path: /b }\n    target: { fixed: { status: 200 } }\n"
        "  - name: e\n    match: { path: /e }\n    target: { fixed: { status: 200 } }\n    timeouts: { connect: soon }\n"
    )
    done = stage.files(config, routes).run("check")
    text = done.stdout + done.stderr
    assert done.returncode == 78
    for place in ("nexus.yaml:1:", "nexus.yaml:4:", "nexus.yaml:5:", "all.yaml:4:", "all.yaml:11:", "all.yaml:18:"):
        assert place in text, f"{place} not in\n{text}"
    assert all(": error: " in line for line in text.splitlines() if ".yaml:" in line)


@pytest.mark.parametrize("config", ["workers: 0\n", "workers: [\n", "listeners: 3\n", "drain: -1s\n", "clusters: { up: { endpoints: ['127.0.0.1:99999'] } }\n", "a: &x [*x]\n", "? [a]\n: b\n", "\t- x\n"])
def test_run_refuses_what_check_refuses(stage, config):
    files = stage.files(config, [])
    assert files.run("check").returncode == 78
    done = files.run("run")
    assert done.returncode == 78 and "nexus.yaml:" in done.stderr


def test_hostile_yaml_is_refused_quickly(stage):
    laughs = "a0: &a0 [x,x,x,x,x,x,x,x,x]\n" + "".join(f"a{n}: &a{n} [{','.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 12))
    assert stage.files(laughs, []).run("check", timeout=5).returncode == 78
    assert stage.files("x: " + "[" * 50_000, []).run("check", timeout=5).returncode == 78


def test_a_missing_file_is_said(stage):
    files = stage.files(GOOD, [])
    files.config_path.unlink()
    done = files.run("check")
    assert done.returncode != 0 and "nexus.yaml" in done.stderr + done.stdout


def test_routes_prints_the_table(stage):
    done = stage.files(GOOD, [route("product", "/products/{id}", stages={"shield": {"requests": 10, "per": "1s"}}), *CARTS]).run("routes")
    assert done.returncode == 0
    for word in ("product", "/products/{id}", "cart-add", "cart.add", "POST", "shield"):
        assert word in done.stdout


def test_explain_names_route_stages_and_target(stage):
    files = stage.files(GOOD, [route("product", "/products/{id}", match={"method": "GET", "headers": {"x-tenant": "blue"}}, stages={"shield": {"requests": 10, "per": "1s"}}), route("rest")])
    done = files.run("explain", "GET", "/products/7", "-H", "x-tenant: blue")
    assert done.returncode == 0 and "product" in done.stdout and "shield" in done.stdout and "up" in done.stdout
    without = files.run("explain", "GET", "/products/7")
    assert without.returncode == 0 and "rest" in without.stdout and "x-tenant" in without.stdout, "it must say why the other did not match"


def test_explain_says_what_a_request_would_get(stage):
    files = stage.files(GOOD, [route("only", "/only", match={"method": "GET"})])
    assert "404" in files.run("explain", "GET", "/else").stdout
    assert "405" in files.run("explain", "DELETE", "/only").stdout
    assert "only" in files.run("explain", "GET", "/a/../only").stdout


def test_unknown_words_are_refused(stage):
    assert stage.files(GOOD, []).run("nonsense").returncode != 0
