"""Reading what a server lists: every list, every page, and again when it says that something changed."""
