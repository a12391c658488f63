"""The one exception that means "the user's input is wrong": the command line turns it into one line and exit code 2."""


class InputError(ValueError):
    """Bad input from the user: the message names the file or value, says what is wrong and how to fix it."""


def check_shape(name: str, tensor, expected: tuple) -> None:
    """Raise ValueError unless `tensor.shape` matches `expected`, where None stands for any length.

    >>> import numpy as np
    >>> check_shape("lmk", np.zeros((5, 68, 2)), (None, 68, 2))
    >>> check_shape("lmk", np.zeros((5, 66, 2)), (None, 68, 2))
    Traceback (most recent call last):
    ...
    ValueError: lmk: expected shape (*, 68, 2), got (5, 66, 2)
    """
    shape = tuple(tensor.shape)
    if len(shape) != len(expected) or any(e is not None and e != s for e, s in zip(expected, shape, strict=True)):
        wanted = ", ".join("*" if e is None else str(e) for e in expected)
        raise ValueError(f"{name}: expected shape ({wanted}), got {shape}")
