from run_fixtures import cache, planning, recorded, store  # noqa: F401 - fixtures
