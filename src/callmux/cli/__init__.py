"""Commands. `main` parses and dispatches; one module per command, imported when it is chosen."""
