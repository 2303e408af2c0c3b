"""Several listeners as one: real processes, a real Redis, and a real load balancer in front."""
