"""Messages of installed ROS packages: written from arrays, and images read through cv_bridge where there is one."""
