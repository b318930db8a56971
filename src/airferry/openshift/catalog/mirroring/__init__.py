"""What a mirrored catalog is called at its destination, and the objects by which a cluster finds it."""
