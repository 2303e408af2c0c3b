"""What stands around each request and around each call: small stages, and the two lists that order them."""
