"""How each part of a generated flow is written: tasks, the body, the signature, the imports."""
