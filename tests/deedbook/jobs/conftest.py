from tests.fixtures.postgres import empty_database, pool, postgres

__all__ = ["empty_database", "pool", "postgres"]
