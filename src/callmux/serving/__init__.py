"""A listener as a whole: what the command and the library start, wired."""
