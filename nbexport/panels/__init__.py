"""The widget door: look, choose, press once."""

from nbexport.panels._doors import levels, panel, preview
from nbexport.panels._panel import Panel
from nbexport.panels._state import ChannelState, PanelState

__all__ = ["ChannelState", "Panel", "PanelState", "levels", "panel", "preview"]
