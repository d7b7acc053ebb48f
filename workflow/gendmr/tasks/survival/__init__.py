"""Time until an event, which some people have not had when they were last seen."""
