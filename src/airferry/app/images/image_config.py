"""An image's configuration, read from wherever the image is."""

from typing import Any

import msgspec

from airferry.app.places import Places
from airferry.errors import MalformedError, parser_words
from airferry.oci import Manifest, Reference


async def read_image_config(manifest: Manifest, image: Reference, places: Places) -> dict[str, Any]:
    """Return the configuration that ``manifest`` names, {} when it names none or one that is not an object.

    ``image`` says where it is. Raises MalformedError when it is not JSON, ContentMismatchError, NotFoundError, …
    """
    if manifest.config is None:
        return {}
    raw = await places.read_blob(image.repository, manifest.config)
    try:
        config = msgspec.json.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise MalformedError(f"the configuration of {image} is not JSON: {parser_words(error)}") from error
    return config if isinstance(config, dict) else {}
