"""Will every pull work: releases, catalogs, samples and lists, tried as nodes try them, or on a disk."""
