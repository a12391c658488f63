"""Loss functions, equations (11)-(13) and (23)-(32)."""
