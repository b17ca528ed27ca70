"""Server reflection answered by the gateway: stubs made by protoc from the published interface, and protobuf's
own descriptor pool, which must accept what comes."""

import contextlib
import shutil

from harness.grpc_stubs import compiled  # noqa: I001: settles how grpcio forks

import grpc
import pytest
from google.protobuf import descriptor_pb2, descriptor_pool
from grpc_tools import protoc

from harness.gateway import ROOT, settings
from harness.grpc_wire import begin, call, message, messages, status
from harness.http2 import data
from harness.http2_ends import Client

SAID = """
syntax = "proto2";
package odd;
import "base.proto";
message Outer { message Inner { optional base.Thing thing = 1; } extensions 100 to 200; optional Colour colour = 2; }
enum Colour { RED = 0; }
extend Outer { optional int32 hue = 150; optional string tint = 120; }
service Painter { rpc Paint(Outer) returns (Outer.Inner); }
"""
BASE = 'syntax = "proto3"; package base; import "deep.proto"; message Thing { deep.Down down = 1; }'
DEEP = 'syntax = "proto3"; package deep; message Down { bytes text = 1; }'
PATH = "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo"


@pytest.fixture(scope="module", params=["v1", "v1alpha"])
def version(request, tmp_path_factory):
    """Messages and stubs of one version; both files have the same name, and Python can have only one of it."""
    name = f"reflection_{request.param}"
    folder = tmp_path_factory.mktemp(name)
    shutil.copy(ROOT / f"contracts/grpc/reflection/{request.param}/reflection.proto", folder / f"{name}.proto")
    return compiled(folder, name)


@pytest.fixture(scope="module")
def descriptors(tmp_path_factory):
    folder = tmp_path_factory.mktemp("protos")
    for name, text in (("odd.proto", SAID), ("base.proto", BASE), ("deep.proto", DEEP)):
        (folder / name).write_text(text)
    out = folder / "set.binpb"
    assert protoc.main(["protoc", f"-I{folder}", "--include_imports", f"--descriptor_set_out={out}", f"{folder}/odd.proto"]) == 0
    return out


def routes() -> list[dict]:
    made = [{"name": "painter", "match": {"grpc": "odd.Painter/*"}, "target": {"cluster": "up"}},
            {"name": "unknown", "match": {"grpc": "no.Contract/Call"}, "target": {"cluster": "up"}},
            {"name": "health", "match": {"grpc": "grpc.health.v1.Health/*"}, "target": {"operation": "grpc_health"}}]
    return made + [
        {"name": each, "match": {"grpc": f"grpc.reflection.{each}.ServerReflection/*"}, "target": {"operation": "grpc_reflection"}} for each in ("v1", "v1alpha")]


SERVICES = ["grpc.health.v1.Health", "grpc.reflection.v1.ServerReflection", "grpc.reflection.v1alpha.ServerReflection", "no.Contract", "odd.Painter"]


@pytest.fixture
def gateway(stage, descriptors):
    return stage.gateway(settings("127.0.0.1:9", clusters={"up": {"protocol": "http2"}}, contracts={"descriptors": str(descriptors)}), routes())


@pytest.fixture
def ask(gateway, version):
    pb, rpc = version
    with contextlib.closing(grpc.insecure_channel(gateway.address)) as channel:
        stub = rpc.ServerReflectionStub(channel)
        yield lambda *questions: list(stub.ServerReflectionInfo(iter([pb.ServerReflectionRequest(**each) for each in questions]), timeout=5))


def names(response) -> list[str]:
    return [descriptor_pb2.FileDescriptorProto.FromString(each).name for each in response.file_descriptor_response.file_descriptor_proto]


def test_services_are_those_of_the_routes(ask):
    answer, = ask({"host": "me.example", "list_services": "*"})
    assert [each.name for each in answer.list_services_response.service] == SERVICES
    assert answer.valid_host == "me.example" and answer.original_request.list_services == "*"


def test_files_come_with_their_imports_and_once(ask, version):
    first, again, other = ask({"file_by_filename": "odd.proto"}, {"file_containing_symbol": "base.Thing"}, {"file_by_filename": "deep.proto"})
    assert names(first)[0] == "odd.proto" and sorted(names(first)) == ["base.proto", "deep.proto", "odd.proto"]
    # What is asked for always comes; what was told before does not.
    assert names(again) == ["base.proto"] and names(other) == ["deep.proto"]


@pytest.mark.parametrize("symbol", ["odd.Painter", "odd.Painter.Paint", "odd.Outer", "odd.Outer.Inner", "odd.Colour", "odd.hue", "odd.Outer.colour"])
def test_symbols_lead_to_their_file(ask, symbol):
    assert names(ask({"file_containing_symbol": symbol})[0])[0] == "odd.proto"


def test_a_pool_can_be_built_of_what_comes(ask):
    answer, = ask({"file_containing_symbol": "odd.Painter"})
    pool = descriptor_pool.DescriptorPool()
    files = {f.name: f for f in map(descriptor_pb2.FileDescriptorProto.FromString, answer.file_descriptor_response.file_descriptor_proto)}

    def add(name: str) -> None:
        for needed in files[name].dependency:
            add(needed)
        with contextlib.suppress(KeyError):
            pool.Add(files[name])

    add("odd.proto")
    method = pool.FindServiceByName("odd.Painter").methods_by_name["Paint"]
    assert method.output_type.fields_by_name["thing"].message_type.full_name == "base.Thing"


def test_extensions(ask, version):
    pb, _ = version
    numbers, none, missing, file, no_file = ask(
        {"all_extension_numbers_of_type": "odd.Outer"}, {"all_extension_numbers_of_type": "deep.Down"}, {"all_extension_numbers_of_type": "odd.None"},
        {"file_containing_extension": pb.ExtensionRequest(containing_type="odd.Outer", extension_number=150)},
        {"file_containing_extension": pb.ExtensionRequest(containing_type="odd.Outer", extension_number=151)})
    found = numbers.all_extension_numbers_response
    assert (found.base_type_name, list(found.extension_number)) == ("odd.Outer", [120, 150])
    assert none.WhichOneof("message_response") == "all_extension_numbers_response" and not none.all_extension_numbers_response.extension_number
    assert missing.error_response.error_code == 5 and no_file.error_response.error_code == 5
    assert names(file)[0] == "odd.proto"


def test_what_is_not_there_is_said_and_the_call_goes_on(ask):
    answers = ask({"file_by_filename": "none.proto"}, {"file_containing_symbol": "no.Contract"}, {"file_containing_symbol": ""}, {}, {"list_services": ""})
    assert [each.error_response.error_code for each in answers[:4]] == [5, 5, 5, 3]
    assert len(answers[4].list_services_response.service) == len(SERVICES)


def test_without_contracts_there_are_still_services(stage):
    made = stage.gateway(settings("127.0.0.1:9", clusters={"up": {"protocol": "http2"}}), routes())
    with Client(made.address) as client:
        answer = call(client, PATH, body=message(b"\x3a\x00") + message(b"\x22\x0bodd.Painter"))
        first, second = messages(bytes(answer.body))
        assert b"odd.Painter" in first and b"there is no such symbol" in second and status(answer)[0] == 0


def test_answers_come_at_once_and_in_turn(gateway):
    with Client(gateway.address) as client:
        stream = begin(client, PATH)
        for turn in range(1, 4):
            client.send_body(stream, message(b"\x3a\x00"), False)
            assert client.pump(lambda: len(messages(bytes(stream.body))) == turn)  # noqa: B023
        client.send(data(stream.number, b"", True))
        assert status(client.finish(stream))[0] == 0


def test_nonsense_ends_the_call(gateway):
    with Client(gateway.address) as client:
        answer = call(client, PATH, body=message(b"\x3a\x00") + message(b"\x3a\xff"))
        assert status(answer) == (13, "the message cannot be read") and len(messages(bytes(answer.body))) == 1
        assert status(call(client, PATH, body=b"\0\0\0\0\5\x3a"))[0] == 13
        assert status(call(client, "/grpc.reflection.v1.ServerReflection/Other", body=message(b"")))[0] == 12


def test_a_client_that_does_not_read_costs_no_memory(gateway):
    """Thousands of questions, each answered with whole files, before one answer is taken."""
    with Client(gateway.address, ours={4: 65_535}, consume=False) as client:
        stream = begin(client, PATH)
        before = gateway.rss()
        asked = message(b"\x22\x0bodd.Painter")
        client.send_body(stream, asked * 20_000, False, timeout=2)
        assert gateway.rss() - before < 8 << 20
        gateway.assert_alive()


def test_check_is_content(stage, descriptors):
    checked = stage.files(settings("127.0.0.1:9", clusters={"up": {"protocol": "http2"}}, contracts={"descriptors": str(descriptors)}), routes()).run("check")
    assert checked.returncode == 0, checked.stderr
