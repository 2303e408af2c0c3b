"""The life of a process: what lives as long as it, what one configuration becomes, what runs beside."""
