"""Whether recommenders were poisoned by fake users, and how well that is found out."""
