"""The management interface: servers are added, changed, restarted and removed over HTTP."""
