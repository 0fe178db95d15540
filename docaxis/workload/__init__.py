"""Workloads: what load a run offers, as a TOML file that is read strictly."""
