"""Rosbags without a ROS installation: read and written as streams, their images as samples to evaluate."""
