"""Any images: mirrored, listed, looked at, extracted, pulled, pruned."""
