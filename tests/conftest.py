"""What holds for all tests."""

from hypothesis import settings

settings.register_profile("simnet")  # a machine may be busy with something else
settings.load_profile("simnet")
