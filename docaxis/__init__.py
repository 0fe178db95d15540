"""docaxis: the national document axis on one machine or a cluster, every delivery accounted for."""

__version__ = "0.1.0"
