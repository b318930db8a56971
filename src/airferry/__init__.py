"""airferry: OpenShift content into networks without internet, and the proof that it arrived."""


def installed_version() -> str:
    """Return the version of the installed distribution; ``0+unknown`` in a tree that was never installed."""
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("airferry")
    except PackageNotFoundError:
        return "0+unknown"
