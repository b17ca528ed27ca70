"""Every HTTP/2 case. Names are unique: they are the tests' names."""

from . import frames, messages, streams
from .case import Case

CASES: list[Case] = frames.CASES + streams.CASES + messages.CASES
