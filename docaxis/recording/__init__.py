"""Recordings: traffic of the past as folders of Parquet parts, written once, read in bounded memory."""
