"""What a server really does, found out by asking it."""
