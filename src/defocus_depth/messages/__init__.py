"""What ROS messages mean, whatever read them (rclpy, rosbags): decoding and lens state on plain attributes, no ROS."""
