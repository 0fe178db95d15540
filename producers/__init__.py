"""Virtual agencies: what they send, when, and how they receive."""
