"""HTTP words to store calls and back, one module for each noun of the distribution API."""
