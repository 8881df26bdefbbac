"""Does a real network agree with the simulated one? Real processes, real TCP, shaped links; see README.md."""
