"""callmux as a real process, in front of real server processes."""
