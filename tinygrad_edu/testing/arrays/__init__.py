"""The arrays that checks take: their dtypes, memory layouts and nesting, and their repr as code."""
