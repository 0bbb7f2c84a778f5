"""Bulk-synchronous programs: exchange steps in front of their readers, lifetimes, and buffers that share addresses."""
