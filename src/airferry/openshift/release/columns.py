"""Text in columns, laid out as Go's text/tabwriter does, which is what ``oc`` prints with.

A cell is ended by a tab; what follows the last tab of a line belongs to no column. Consecutive lines that
have a cell in a column share its width, and a line without that cell ends the column. Hence a table under a
heading does not depend on the table above it.
"""

from collections.abc import Sequence


def align(lines: Sequence[str], *, padding: int = 1) -> str:
    """Return the lines with their tab-ended cells padded with blanks, each line ended by a newline.

    Trailing padding is kept where a line ends in a tab, as the original does.
    """
    rows = [line.split("\t") for line in lines]
    widths: list[list[int]] = [[0] * (len(row) - 1) for row in rows]
    deepest = max((len(row) for row in rows), default=0)
    for column in range(deepest - 1):
        _set_widths(rows, widths, column, padding)
    return "".join(_print_row(row, width) for row, width in zip(rows, widths, strict=True))


def _set_widths(rows: list[list[str]], widths: list[list[int]], column: int, padding: int) -> None:
    start = 0
    while start < len(rows):
        end = start
        while end < len(rows) and column < len(rows[end]) - 1:
            end += 1
        if end > start:
            width = max(len(rows[row][column]) for row in range(start, end)) + padding
            for row in range(start, end):
                widths[row][column] = width
        start = max(end, start + 1)


def _print_row(row: list[str], widths: list[int]) -> str:
    padded = (cell.ljust(width) for cell, width in zip(row, widths, strict=False))
    return "".join((*padded, row[-1])) + "\n"
