"""Messages ↔ arrays. Decoding reads any object with the fields of the message; encoding imports sensor_msgs.

Import from the modules (`decode`, `encode`, `points`, `camera_info`, `bridge`): decoding must not need ROS.
"""
