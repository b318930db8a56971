"""A part of a catalog: what is wanted, what that needs, and what keeps updates whole."""
