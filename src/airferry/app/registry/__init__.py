"""The mirror registry: set up, served, kept, asked."""
