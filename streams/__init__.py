"""Processors of the event topics: the hub that routes, and the Faust workers that count and audit."""
