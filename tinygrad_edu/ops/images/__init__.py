"""Sliding windows over sequences, images and volumes."""
