"""What holds for all tests."""

from hypothesis import settings

# How fast an example runs says nothing about whether it is right, and machines are busy.
settings.register_profile("patient", deadline=None)
settings.load_profile("patient")
