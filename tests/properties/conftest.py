from tests.fixtures.postgres import empty_database, pool, postgres
from tests.properties.office import office

__all__ = ["empty_database", "office", "pool", "postgres"]
