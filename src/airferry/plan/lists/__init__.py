"""Lists of images as people have them: read in any of their formats, told what they ask for. Pure."""

from airferry.plan.lists.model import Choice, ImageList, Note, Wish
from airferry.plan.lists.recognising import ListFormat, parse_list
from airferry.plan.lists.templates import Template

__all__ = ["Choice", "ImageList", "ListFormat", "Note", "Template", "Wish", "parse_list"]
