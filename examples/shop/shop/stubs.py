"""Messages and stubs, made from contracts/hipstershop.proto when the shop starts.

`pb` holds the messages, `rpc` the stubs and servicers.
"""

import importlib
import pathlib
import sys
import tempfile

import grpc_tools
from grpc_tools import protoc

CONTRACTS = pathlib.Path(__file__).resolve().parents[3] / "contracts"


def compiled(folder: pathlib.Path, *names: str) -> list:
    """The modules (`X_pb2`, `X_pb2_grpc`) of proto files in `folder`, generated and imported at once."""
    well_known = pathlib.Path(grpc_tools.__file__).parent / "_proto"
    with tempfile.TemporaryDirectory(prefix="stubs-") as out:
        code = protoc.main([
            "protoc", f"-I{folder}", f"-I{well_known}", f"--python_out={out}", f"--grpc_python_out={out}",
            *(f"{name}.proto" for name in names)])
        if code != 0:
            raise RuntimeError(f"protoc ended with {code} on {', '.join(names)} in {folder}")
        sys.path.insert(0, out)
        try:
            importlib.invalidate_caches()
            return [importlib.import_module(f"{name}_{kind}") for name in names for kind in ("pb2", "pb2_grpc")]
        finally:
            sys.path.remove(out)


pb, rpc = compiled(CONTRACTS, "hipstershop")
