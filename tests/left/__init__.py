"""Whether anything of a server is left: random kills of everything, and a look at all processes.

`engine` plays a container engine, `family` is a server with relatives of every kind, `kills` strikes,
`test_left` runs a few. `python -m tests.left --kills 1000` runs many.
"""
