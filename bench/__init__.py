"""Measurements, as ratios to the bare SDK of the same run where there is one."""
