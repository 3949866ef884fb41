"""The stages of a decision, and what would have changed it."""
