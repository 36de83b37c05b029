"""Certificates for a test: an authority and what it signs, made by the openssl program in the test's directory."""
import os
import subprocess


def run(*words, directory):
    subprocess.run(("openssl",) + words, cwd=directory, check=True, capture_output=True, timeout=60)


def make(directory):
    """ca.pem, server.pem with server.key for localhost and 127.0.0.1."""
    key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")
    run("req", "-x509", *key, "-keyout", "ca.key", "-out", "ca.pem", "-days", "2", "-subj", "/CN=Test authority",
        directory=directory)
    run("req", *key, "-keyout", "server.key", "-out", "server.csr", "-subj", "/CN=localhost", directory=directory)
    with open(os.path.join(directory, "names"), "w", encoding="utf-8") as f:
        f.write("subjectAltName=DNS:localhost,IP:127.0.0.1\n")
    run("x509", "-req", "-in", "server.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", "2",
        "-extfile", "names", "-out", "server.pem", directory=directory)
