"""From text to plain data with places, and from what pydantic says to what people read."""
