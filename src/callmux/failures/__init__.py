"""Every way in which callmux says no: what happened, whether to repeat it, who acts, and the next step."""
