"""New content for a catalog image: documents, the layer that holds them, the image around it, and opm's cache."""
