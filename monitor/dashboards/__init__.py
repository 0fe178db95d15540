"""Grafana dashboards, made of declarations: one file a dashboard, one way to JSON."""

from monitor.dashboards import agency, axis, hub, load_test, onboarding, pipeline
from monitor.dashboards.board import Board

#: All of them, in the order of their links.
BOARDS: tuple[Board, ...] = (axis.BOARD, agency.BOARD, hub.BOARD, load_test.BOARD, onboarding.BOARD, pipeline.BOARD)

__all__ = ["BOARDS", "Board"]
