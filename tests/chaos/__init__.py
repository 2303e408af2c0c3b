"""Faults at every tier under load: what a session is promised, with real processes and a ledger of effects.

A listener with its servers, agents' sessions through bridges, a wire between them that can be cut.
`storm` runs it: traffic of every session, one fault after the other, and the account of both.
`faults` is the table of what is done to whom; `place` owns the processes; `account` says what was promised.

    python -m tests.chaos --faults 1000 --sessions 8        the long run, with its table
    python -m tests.chaos --nodes 3 --faults 200            the same with nodes behind nginx
    pytest tests/chaos                                      a short one
"""
