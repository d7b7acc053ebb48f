"""Three or more classes without an order."""
