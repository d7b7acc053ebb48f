"""A first configuration of a study, written from what its files hold."""
