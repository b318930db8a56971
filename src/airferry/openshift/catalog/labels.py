"""The labels by which a catalog image says where in it the catalog is. Source: operator-registry."""

from typing import Final

CONFIGS_LABEL: Final = "operators.operatorframework.io.index.configs.v1"
"""The folder of a file-based catalog."""
DATABASE_LABEL: Final = "operators.operatorframework.io.index.database.v1"
"""The file of an index of the older kind, in SQLite."""
DEFAULT_CONFIGS: Final = "/configs"
"""The folder where opm puts the documents, and where they are without a label."""
