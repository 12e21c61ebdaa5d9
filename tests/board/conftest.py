from run_fixtures import cache, planning, recorded, store  # noqa: F401 - fixtures
from submission_fixtures import bundle, handed  # noqa: F401 - fixtures
