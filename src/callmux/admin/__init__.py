"""HTTP for people and probes."""
