"""Signs in to remote servers by OAuth 2.1, keeps their tokens, and has them renewed."""
