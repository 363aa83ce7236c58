"""Lightship's registration service: names, owners, certificates, leases and routes of links."""

from __future__ import annotations

__version__ = "0.1.0"
