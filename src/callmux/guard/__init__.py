"""Who may use callmux, for what, and how often."""
