"""A planted world in which users take what is of their own genre, and simulated users who know it, or do not."""

import numpy as np

from recsim_llm.core import keyed
from recsim_llm.core.catalog import Catalog
from recsim_llm.core.ratings import Dataset, Ratings

GENRES = ("Art", "Brawl", "Comedy", "Drama")
USERS, ITEMS = 120, 80


def genre_dataset():
    """Return 120 users, each of one of four genres, who take 60% of its 20 items and 3% of the others."""
    genre = np.arange(ITEMS) % len(GENRES)
    own = np.arange(USERS)[:, None] % len(GENRES) == genre
    draw = keyed.uniform(keyed.words(3, "planted", np.arange(USERS)[:, None], np.arange(ITEMS)))
    user, item = np.nonzero(draw < np.where(own, 0.6, 0.03))
    names = [f"item {place}" for place in range(ITEMS)]
    catalog = Catalog.from_columns(item_id=500 + np.arange(ITEMS), title=names, genres=[[GENRES[one]] for one in genre])
    ratings = Ratings(
        user_id=10 + user,
        item_id=500 + item,
        rating=np.where(own[user, item], 4.5, 2.5).astype(np.float32),
        timestamp=np.arange(len(user)),
    )
    return Dataset(name="planted", catalog=catalog, ratings=ratings).of_ratings(ratings)


def write_genre_tables(folder, new=()):
    """Write these data as tables whose ids are texts, ``u10`` and ``i500``, with further dramas that nobody has rated."""
    ratings = genre_dataset().ratings
    columns = (ratings.user_id, ratings.item_id, ratings.rating, ratings.timestamp)
    rows = zip(*(column.tolist() for column in columns), strict=True)
    lines = [f"u{user},i{item},{stars},{time}" for user, item, stars, time in rows]
    (folder / "interactions.csv").write_text("\n".join(["user_id,item_id,rating,timestamp", *lines]) + "\n", encoding="utf-8")
    items = [f"i{500 + place},item {place},{GENRES[place % 4]}" for place in range(ITEMS)]
    items += [f"{one},{one},Drama" for one in new]
    (folder / "items.csv").write_text("\n".join(["item_id,title,genres", *items]) + "\n", encoding="utf-8")
    return folder


class GenreUsers:
    """Log-odds of a click rise with the share of an item's genre in what the user took in the training part."""

    levels = np.array([2.5, 4.5], np.float32)

    def __init__(self, training, strength=8.0):
        flags = training.catalog.genres.astype(np.float64)
        ratings = training.ratings
        taken = np.zeros((len(ratings.users), len(flags[0])))
        np.add.at(taken, ratings.user_index, flags[training.catalog.index_of(ratings.item_id)])
        self._odds = strength * (taken / taken.sum(axis=1, keepdims=True)) @ flags.T - 3

    def taste(self, user_index, item_index):
        return self._odds[user_index[:, None], item_index]

    def stars(self, user_index, item_index):
        return np.full((*item_index.shape, 2), 0.5)


def genre_users(training, seed):
    del seed
    return GenreUsers(training)


def blind_users(training, seed):
    """Return users to whom all items are the same."""
    del seed
    return GenreUsers(training, strength=0.0)
