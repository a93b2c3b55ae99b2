"""A property's life, from DRAFT to CLOSED."""
