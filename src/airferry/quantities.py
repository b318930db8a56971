"""Sizes, durations and rates as text, in the shapes that ``oc`` prints them, so that eyes find what they look for."""

_BINARY = ("B", "KiB", "MiB", "GiB", "TiB")
_DECIMAL = ("B", "kB", "MB", "GB", "TB")


def print_binary_size(size_bytes: float) -> str:
    """Return a size with binary units and four digits, as plans show it: 325B, 29.52KiB, 1.016MiB."""
    return _print_scaled(size_bytes, 1024, _BINARY)


def print_decimal_size(size_bytes: float) -> str:
    """Return a size with decimal units and four digits, as rates and image sizes show it: 224.4kB, 1.056MB."""
    return _print_scaled(size_bytes, 1000, _DECIMAL)


def _print_scaled(value: float, base: int, units: tuple[str, ...]) -> str:
    scaled, unit = float(value), 0
    while scaled >= base and unit < len(units) - 1:
        scaled, unit = scaled / base, unit + 1
    return f"{scaled:.0f}{units[unit]}" if scaled >= 1000 else f"{scaled:.4g}{units[unit]}"


def print_duration(seconds: float) -> str:
    """Return a duration as Go prints it, rounded as oc rounds, from a minute on to seconds: 0s, 30ms, 4.74s, 2m3s."""
    hundredths = round(seconds * 100)
    if hundredths < 100:
        return f"{hundredths * 10}ms" if hundredths else "0s"
    if hundredths < 6000:
        return f"{hundredths / 100:g}s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}h{minutes}m{rest}s" if hours else f"{minutes}m{rest}s"


def print_count(number: int, what: str) -> str:
    """Return ``1 image`` or ``3 images``; ``what`` is a word whose plural ends in s."""
    return f"{number} {what}{'' if number == 1 else 's'}"
