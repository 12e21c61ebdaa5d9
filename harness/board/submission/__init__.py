"""Submissions: results made elsewhere, offered to a leaderboard, checked, and merged."""
