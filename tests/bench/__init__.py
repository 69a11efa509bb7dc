"""Benchmarks: this project, programs that people would write instead, and the floor that the machine sets.

`python -m tests.bench` runs the contestants of each row in turns and prints a table. Benchmarks are
not tests: `tests/repo/test_bench.py` only checks that each of them runs.
"""
