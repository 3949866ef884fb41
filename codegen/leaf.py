"""What leaf steps have in common."""

from codegen.step import StepBase


class Leaf(StepBase):
    """A step that does something itself."""
