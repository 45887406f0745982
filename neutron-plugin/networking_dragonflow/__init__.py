"""Dragonflow as the backend of a Neutron server.

Neutron's database is the truth. This package pushes what Neutron has, object by object and with its revision number, to
``dragonflow server``, and hears from there which ports are wired and which chassis live. It decides nothing itself.

What is pushed waits in the memory of the process that served the request (``journal``) until the server has it, so
Neutron's API does not wait for the server and goes on without it. What is lost with a process, the audit finds.
"""
