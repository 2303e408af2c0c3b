"""The `callmux_*` tools, one file each: DEFINITION, parse() -> Plan (pure) and run(plan, engine, context).

Called by the router. Calls the rings through `Engine.call` and reads the catalogue.
"""
