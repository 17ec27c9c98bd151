"""What holds for all tests."""

from hypothesis import HealthCheck, settings

from tests.support.wait import PATIENCE

if PATIENCE > 1:
    settings.register_profile("patient", deadline=None, suppress_health_check=[HealthCheck.too_slow])
    settings.load_profile("patient")
