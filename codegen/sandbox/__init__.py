"""The closed room in which expressions and templates are evaluated."""
