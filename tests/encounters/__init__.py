"""Real clients of every kind meet real servers, directly and through callmux: what works, and what differs.

`scripts/try-servers` makes the tables in docs/conformance.md of it; CI does a part of it.
"""
