"""Raw requests and what may become of them: one file per rule of RFC 9112 and 9110."""

from . import chunks, connection, fields, framing, host, limits, line, paths, pipeline, targets
from .case import Case

CASES: list[Case] = [
    case
    for module in (framing, fields, line, host, targets, paths, chunks, connection, pipeline, limits)
    for case in module.CASES
]
