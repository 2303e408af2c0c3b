"""Secrets that stand outside of the configuration: looked up when needed, and kept for `keyring:`."""
