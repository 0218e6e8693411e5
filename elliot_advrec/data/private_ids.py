"""Elliot's inner numbers of users and items: what orders its random draws and its equal scores."""

from __future__ import annotations

import numpy as np
import pandas as pd

from elliot_advrec.data.splitting.users import all_integers


def private_users(train: pd.DataFrame) -> list[str]:
    """Users of the training rows in order of first appearance, as Elliot numbers them."""
    return [str(user) for user in pd.unique(train["user"])]


def private_items(train: pd.DataFrame) -> list[str]:
    """Items of the training rows in the order in which Elliot numbers them.

    Elliot lists a Python set of item ids that was filled user by user. With whole numbers, which Elliot
    reads as such, that order is the same in every run and follows from the order of insertion, so it is made
    the same way here. Text ids, which Elliot orders anew in every run, are sorted here, and so are ids that
    write one number in two ways.
    """
    found = train["item"].drop_duplicates()
    number = {item: int(item) for item in found} if all_integers(found) else {}
    if len(set(number.values())) < len(found):
        return sorted(found)
    by_user = np.argsort(pd.factorize(train["user"])[0], kind="stable")
    name = {value: item for item, value in number.items()}
    # Only first appearances change a set; they are looked for with the rows in Elliot's order.
    met = pd.unique(train["item"].to_numpy(object)[by_user])
    return [name[value] for value in set(number[item] for item in met)]
