"""What pytest and Hypothesis load of us in every project, by entry points: a package apart, so that it costs nothing."""
