"""The card's behaviour part: held-out sessions of people beside sessions of users who were put before the same pages."""
