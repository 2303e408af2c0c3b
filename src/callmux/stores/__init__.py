"""What is kept beside the process that uses it: interfaces, and their implementations in memory.

Each interface has a few functions. What they give is a value where it is there at once, as in memory, or an
awaitable where somebody must be asked; whoever calls them takes both (`callmux.stores.border`), as the driver
of stages does. Few modules choose an implementation (`callmux.process.stores` that of cache and results); all
others know the interface alone. Nothing reaches into a store.
"""
