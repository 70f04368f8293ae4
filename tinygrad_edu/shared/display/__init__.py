"""Display: HTML in notebooks, and the commands' arguments and help."""
