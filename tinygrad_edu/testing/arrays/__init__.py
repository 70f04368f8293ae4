"""Arrays in checks: dtypes, memory layouts, nesting, and repr as code."""
