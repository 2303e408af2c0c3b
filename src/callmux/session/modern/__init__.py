"""Requests of the revisions without a handshake: each says of itself what a session says otherwise."""
