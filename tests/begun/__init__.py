"""Whether a call has begun: every way to a server, every point of failure, a server that writes down effects.

`ledger` is the server, `cases` says what happens and what must follow, `test_begun` runs them.
`python -m tests.begun` runs all cases and flips every row of the table.
"""
