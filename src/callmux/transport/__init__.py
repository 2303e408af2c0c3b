"""Bytes from and to clients."""
