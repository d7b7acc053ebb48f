"""Cox regression with an elastic-net penalty."""
