"""What the over-the-wire tests and the benchmarks stand on: processes, sockets and a strict parser.

Standard library only, so that the benchmarks run on a plain Python.
"""
