"""What `benchmarks/context.py` is made of: recorded tasks, the ways of doing them, what each costs."""
