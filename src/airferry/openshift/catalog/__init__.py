"""Operator catalogs: what they hold, what of it is wanted, and what that needs.

Pure: documents come in as blocks of bytes or rows, and leave as values. Reading folders, images and databases is
:mod:`airferry.survey`'s.
"""
