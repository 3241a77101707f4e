"""Choice users: fitted, fast, statistical."""
