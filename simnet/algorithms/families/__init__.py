"""The rows of the table of algorithms, a file for each family."""
