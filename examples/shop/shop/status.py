"""Status numbers: how they are written into messages, and one that gRPC has no name for."""

import enum

import grpc
from grpc import _common


class Refusal(enum.Enum):
    """The payment service refuses cards with a number taken from HTTP, which clients have seen for so
    long that they rely on it."""

    CARD_REFUSED = (400, "card refused")


# grpcio sends the named numbers only: a server finds a code's number in this table, and what is not in
# it becomes UNKNOWN. It is no public interface; should it move, the shop fails here and not quietly.
_common.STATUS_CODE_TO_CYGRPC_STATUS_CODE[Refusal.CARD_REFUSED] = Refusal.CARD_REFUSED.value[0]

# As the legacy checkout writes them.
NAMES = {
    0: "OK", 1: "Canceled", 2: "Unknown", 3: "InvalidArgument", 4: "DeadlineExceeded", 5: "NotFound", 6: "AlreadyExists",
    7: "PermissionDenied", 8: "ResourceExhausted", 9: "FailedPrecondition", 10: "Aborted", 11: "OutOfRange",
    12: "Unimplemented", 13: "Internal", 14: "Unavailable", 15: "DataLoss", 16: "Unauthenticated",
}


def described(number: int, text: str) -> str:
    """An error of a call in the words of the legacy checkout."""
    return f"rpc error: code = {NAMES.get(number, f'Code({number})')} desc = {text}"


def describe(error: grpc.RpcError) -> str:
    """The same of grpcio's exception."""
    return described(error.code().value[0], error.details() or "")
