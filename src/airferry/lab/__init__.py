"""The lab: a made-up OpenShift release and catalog in the real shape, and an upstream like quay.io on loopback.

It serves the demo, the tests and the benchmarks, and stands beside ``app``: nothing below ``app`` imports it. It
shares no code with our client, our server or our places on disk, so that a mistake there meets something foreign.
"""

from airferry.lab.calls import Endpoint
from airferry.lab.catalog import PublishedCatalog, load_catalog, publish_catalog
from airferry.lab.catalog_shape import CATALOG, CatalogShape, Operator
from airferry.lab.certificates import Certificates, Flaw, make_certificates
from airferry.lab.faults import Faults, Rule
from airferry.lab.keys import LabKey
from airferry.lab.policy import Authentication, Policy
from airferry.lab.release import PublishedRelease, publish_release
from airferry.lab.samples import publish_images_of, publish_release_with_samples
from airferry.lab.sending import LoggedRequest
from airferry.lab.shape import DEMO, R190, S74, SMALL, Shape
from airferry.lab.store import LabStore
from airferry.lab.upstream import Upstream

__all__ = [
    "CATALOG",
    "DEMO",
    "R190",
    "S74",
    "SMALL",
    "Authentication",
    "CatalogShape",
    "Certificates",
    "Endpoint",
    "Faults",
    "Flaw",
    "LabKey",
    "LabStore",
    "LoggedRequest",
    "Operator",
    "Policy",
    "PublishedCatalog",
    "PublishedRelease",
    "Rule",
    "Shape",
    "Upstream",
    "load_catalog",
    "make_certificates",
    "publish_catalog",
    "publish_images_of",
    "publish_release",
    "publish_release_with_samples",
]
