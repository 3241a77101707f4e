"""Plain numerical methods that know nothing of users or items."""
