"""A conformance suite for servers of MQTT 3.1.1 and 5.0, by the normative statements of the standards."""

from .case import CASES, Case
from . import connecting, ending, delivering, malformed, passing, publishing, retaining, sessions, sharing, subscribing, topics, wills

__all__ = ["CASES", "Case", "connecting", "ending", "delivering", "malformed", "passing", "publishing", "retaining", "sessions", "sharing", "subscribing", "topics", "wills"]
