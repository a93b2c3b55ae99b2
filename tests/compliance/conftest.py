from tests.fixtures.postgres import empty_database, pool, postgres_directory

__all__ = ["empty_database", "pool", "postgres_directory"]
