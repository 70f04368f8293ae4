"""How the same work scales from one thread to several processes, measured, and on paper to thousands of machines."""
