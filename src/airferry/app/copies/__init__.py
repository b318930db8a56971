"""The one pipeline behind every copy, and what is asked of a destination before it begins."""
