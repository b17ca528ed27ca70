"""Modules from .proto files, generated when a test asks for them and never kept."""

import importlib
import os
import pathlib
import sys
import tempfile

# grpcio's handlers would run in the forked child before that becomes a server under test.
os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "false")

import grpc_tools  # noqa: E402
from grpc_tools import protoc  # noqa: E402


def compiled(root: pathlib.Path, name: str) -> tuple:
    """`(messages, stubs)` of `root/name.proto`, whose imports are looked for in `root`."""
    well_known = pathlib.Path(grpc_tools.__file__).parent / "_proto"
    with tempfile.TemporaryDirectory(prefix="stubs-") as out:
        code = protoc.main(["protoc", f"-I{root}", f"-I{well_known}", f"--python_out={out}", f"--grpc_python_out={out}", f"{name}.proto"])
        assert code == 0, f"protoc ended with {code} on {name}.proto"
        sys.path.insert(0, out)
        try:
            importlib.invalidate_caches()
            return importlib.import_module(f"{name}_pb2"), importlib.import_module(f"{name}_pb2_grpc")
        finally:
            sys.path.remove(out)
