"""What a request means: a plan, the tools a client sees, and the one door through which every call goes."""
