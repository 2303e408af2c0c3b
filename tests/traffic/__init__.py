"""Random traffic through the real stages, held against an independent model. See docs/trials.md."""
