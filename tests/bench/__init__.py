"""Benchmarks: ours, what people would write instead, and the floor that the machine sets.

`python -m tests.bench` plays them in turns and prints a table. They are no tests: the tests only
see that each of them runs.
"""
