"""Catalogs in every form, read into one model: documents out of bytes, and values out of documents."""
