"""Who the users are: personas, populations, worlds."""
