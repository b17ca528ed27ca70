"""The reference: Python's own protobuf, over the .proto files in this folder."""

import os
import pathlib

import grpc_tools
from google.protobuf import descriptor_pb2, descriptor_pool, json_format, message_factory
from grpc_tools import protoc

FOLDER = pathlib.Path(__file__).resolve().parent
FILES = ("everything.proto", "legacy.proto", "edition.proto")
SHOP = ("shop.proto",)


class Reference:
    """Message classes in a pool of their own, and what they make of bytes and JSON."""

    def __init__(self, place: pathlib.Path, files: tuple[str, ...] = FILES):
        self.set = place / "set.binpb"
        include = os.path.join(os.path.dirname(grpc_tools.__file__), "_proto")
        code = protoc.main(["protoc", f"-I{FOLDER}", f"-I{include}", "--include_imports", f"--descriptor_set_out={self.set}", *files])
        assert code == 0, "protoc failed"
        self.pool = descriptor_pool.DescriptorPool()
        for file in descriptor_pb2.FileDescriptorSet.FromString(self.set.read_bytes()).file:
            self.pool.AddSerializedFile(file.SerializeToString())

    def type(self, name: str):
        """The class of a message type by its full name."""
        return message_factory.GetMessageClass(self.pool.FindMessageTypeByName(name))

    def to_json(self, name: str, data: bytes, defaults: bool = False):
        """The message as Python values, or None when it is refused."""
        try:
            message = self.type(name).FromString(data)
            return json_format.MessageToDict(message, descriptor_pool=self.pool, always_print_fields_with_no_presence=defaults)
        except Exception:
            return None

    def from_json(self, name: str, text: bytes):
        """The message a JSON text stands for, or None when it is refused."""
        try:
            return json_format.Parse(text, self.type(name)(), descriptor_pool=self.pool)
        except json_format.ParseError:
            return None

    def canonical(self, message) -> bytes:
        """Bytes that are equal for equal messages, those inside an Any too."""
        copy = type(message)()
        copy.CopyFrom(message)
        self._settle(copy)
        return copy.SerializePartialToString(deterministic=True)

    def _settle(self, message) -> None:
        for field, value in message.ListFields():
            if field.message_type is None:
                continue
            if field.message_type.GetOptions().map_entry:
                if field.message_type.fields_by_name["value"].message_type is not None:
                    for key in value:
                        self._settle(value[key])
            elif field.is_repeated:
                for each in value:
                    self._settle(each)
            else:
                self._settle(value)
        if message.DESCRIPTOR.full_name == "google.protobuf.Any" and message.type_url:
            inner = self.type(message.type_url.rpartition("/")[2]).FromString(message.value)
            message.value = self.canonical(inner)
