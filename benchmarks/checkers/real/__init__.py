"""Functions of libraries that nobody here wrote, each checked at three kinds of points."""
