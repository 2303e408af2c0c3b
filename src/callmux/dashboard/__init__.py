"""The dashboard: what a listener does, for people; its data, and the page that shows it."""
