"""Make a small network from big ones: teachers, views, the survey of pictures, the lesson."""
