"""The parts of `benchmarks/performance.py`: callmux beside other products, in one run.

`products`, `others` and `contextforge` say what they are and how each is started, `fetching` puts them into
a cache, `client`, `pipes` and `sockets` are the cheap driver, `watching` looks at processes from outside,
`ways` and `growth` measure one product at a time, `rounds` lets them take turns and keeps what came of it,
`page`, `budgets` and `plots` show it, `reasons` says why a peer is better where it is.
"""
