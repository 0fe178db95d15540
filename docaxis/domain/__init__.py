"""The words everyone shares: agencies, documents, events, the calendar, errors. Pure; no I/O beyond package data."""
