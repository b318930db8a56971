"""What a cluster and its nodes are told about their mirror, made, explained and checked."""
