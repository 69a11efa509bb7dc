"""A mat that is not there: time that jumps, pins without wires, motors as formulas.

The real daemon never imports it; `mock`, `simulate` and the tests do.
"""
