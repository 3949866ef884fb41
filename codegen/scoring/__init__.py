"""What the six factors are computed from."""
