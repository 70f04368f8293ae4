"""The site: the pages of docs/ and what lies beside them, and a reference made from the docstrings."""
