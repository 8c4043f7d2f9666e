"""Backends that run network files, one module each; each offers `howfar.models.network.Runtime`."""
