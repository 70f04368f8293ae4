"""What pytest and Hypothesis load of us in every project, by entry points: apart from the package, and light."""
