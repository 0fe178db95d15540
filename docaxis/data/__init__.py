"""Data files of the package: the registry, the document tables and the published history, each with its sources."""
