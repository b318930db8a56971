"""Samples: the image streams that the Cluster Samples Operator imports, and what it makes of their pull specs."""
