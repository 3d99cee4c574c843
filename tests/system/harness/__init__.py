"""What the system tests are made of: the daemon, its neighbours and its clients, each in one module.

Nothing here asserts how relais behaves: that is what the test_*.py files are for. Everything runs in a
private directory and on loopback addresses that belong to one test process (see world.py), so test
files may run side by side.
"""
