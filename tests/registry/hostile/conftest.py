"""The hostile cases run on the two stores that need nothing to be started, unless a module names others."""

from ..conformance.conftest import registry_on

registry = registry_on("memory", "disk")
