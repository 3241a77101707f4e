"""Language models: typed questions with probabilities, free text, and every way to get them."""
