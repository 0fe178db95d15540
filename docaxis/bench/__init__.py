"""Benchmarks: every part against a floor measured in the same run, so that figures are ratios and outlive a machine.

A benchmark is a function of a `Session` (a broker, how much to measure, where logs go) that returns `Row`s. What is
timed runs in processes of its own, as it would in service; the process that measures only waits.
"""
