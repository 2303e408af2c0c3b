"""callmux in programs: a listener that a program starts, tools that it calls itself."""
