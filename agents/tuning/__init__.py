"""Language models trained to be users: pages of the product's own questions, rendered from what real people rated next."""
