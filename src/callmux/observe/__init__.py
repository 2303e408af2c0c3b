"""What happens, told to whoever listens: facts, the bus, and its listeners (audit log, counters, traces).

Nothing that serves calls knows who listens.
"""
