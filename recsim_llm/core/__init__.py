"""The values and the kernel of a page: items, ratings, dice, pages, feedback."""
