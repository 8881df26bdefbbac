"""From a result to pictures and tables."""
