# %% [markdown]
# # 01 Toy
# *One claim: the mean of 1, 2, 3 is 2.*
#
# **Minutes**: read 1 · smoke 0.1 · classroom 0.1

# %% tags=["parameters"]
PROFILE = "smoke"
SEED = 0
RATE = 1.5

# %%
from paperlib.notebook import check, explore, label, setup, show_source, show_strip

profile = setup(PROFILE, SEED)

# %%
import matplotlib.pyplot as plt
import numpy as np

from paperlib.seeding import derived_seed

show_source(derived_seed)


# %%
def double(n: int, loud: bool) -> None:
    """Twice n."""
    print(2 * n, loud)


explore(double, n=(0, 5, 3), loud=False)

# %%
show_strip(np.zeros((3, 8, 8, 3), np.uint8), titles=["a", "b", "c"])

# %%
label("measured", "three numbers, mean {:.1f}".format(np.mean([1, 2, 3])))

# %% [markdown]
# ## Exercise 1
# The mean of 1, 2 and 6?

# %% tags=["exercise"]
answer1 = None  # your turn
check("exercise 1", answer1, np.mean([1, 2, 6]), hint="add, then divide by how many")

# %% tags=["solution"]
answer1 = (1 + 2 + 6) / 3
check("exercise 1", answer1, np.mean([1, 2, 6]))
