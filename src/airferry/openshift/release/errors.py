"""What can go wrong with a release itself."""

from airferry.errors import AirferryError


class UntrustedReleaseError(AirferryError):
    """No signature of the release verifies against a trusted key and names its digest."""

    code = "untrusted-release"


class ToolMissingError(AirferryError):
    """The release does not contain the tool that was asked for, or not for that system."""

    code = "tool-missing"


class ComponentMissingError(AirferryError):
    """The release has no component, or no file, of that name."""

    code = "not-found"
