"""Connections beside the main one: of single directories, credentials, capabilities and clients."""
