"""Arguments to app calls to exit codes; nothing else."""
