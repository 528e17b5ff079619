"""Measures beside the alternatives and the floor; never part of the tests."""
