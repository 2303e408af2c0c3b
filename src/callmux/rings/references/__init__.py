"""File and text references in the arguments of a call: what they are, what may be read, what they become."""
