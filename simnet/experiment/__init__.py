"""Many runs: other clocks for the same values, sweeps, expectations, baselines."""
