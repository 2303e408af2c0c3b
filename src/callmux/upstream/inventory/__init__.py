"""What one server offers: as read, as kept on disk, and as clients that declare something else see it."""
