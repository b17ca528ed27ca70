"""Puts the corpus on the path."""

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

import pytest  # noqa: E402: after the path

pytest.register_assert_rewrite("mqtt", "harness.mqtt")
