"""Properties are tried without a clock: a loaded machine is no reason to fail."""

from hypothesis import HealthCheck, settings

settings.register_profile("airferry", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("airferry")
