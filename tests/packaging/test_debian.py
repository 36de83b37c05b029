"""The Debian packages: built with dpkg-buildpackage, then installed, upgraded and purged with all their scripts, on a copy of
this machine that exists only for the test (an overlay over /, in a mount namespace of its own)."""
import glob
import os
import re
import shutil
import subprocess
import sys
import tempfile
import unittest

SOURCE = os.path.abspath(os.environ.get("SB_SOURCE", os.path.join(os.path.dirname(__file__), "..", "..")))
NAMES = ["libsignalbox0", "libsignalbox-dev", "signalbox", "libnginx-mod-signalbox"]
COPY = """
set -e
mount -t tmpfs none "$1"
mkdir "$1/up" "$1/scratch" "$1/all"
mount -t overlay overlay -o "lowerdir=/,upperdir=$1/up,workdir=$1/scratch" "$1/all"
mount -t proc none "$1/all/proc"
mount --rbind /dev "$1/all/dev"
mount --bind "$2" "$1/all/mnt"
printf '#!/bin/sh\\nexit 101\\n' > "$1/all/usr/sbin/policy-rc.d"
chmod 755 "$1/all/usr/sbin/policy-rc.d"
exec chroot "$1/all" /bin/sh -e -c "$3"
"""


def run(*args, **kw):
    done = subprocess.run(args, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=900, **kw)
    if done.returncode != 0:
        raise AssertionError("%s ended with %d\n%s" % (" ".join(args)[:200], done.returncode, done.stdout[-4000:]))
    return done.stdout


def copy_sources(to):
    """Without what is built: build folders are those that CMake made."""
    def ignore(folder, names):
        return [n for n in names if n in (".git", "build") or os.path.exists(os.path.join(folder, n, "CMakeCache.txt"))]
    shutil.copytree(SOURCE, to, ignore=ignore, symlinks=True)


class Packages(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.mkdtemp(prefix="sbdeb")
        cls.addClassCleanup(shutil.rmtree, cls.folder, True)
        sources = os.path.join(cls.folder, "sources")
        copy_sources(sources)
        env = dict(os.environ, DEB_BUILD_OPTIONS="nocheck noautodbgsym parallel=2")
        run("dpkg-buildpackage", "-b", "-us", "-uc", "-d", cwd=sources, env=env)
        cls.debs = {os.path.basename(p).split("_")[0]: p for p in glob.glob(os.path.join(cls.folder, "*.deb"))}

    def content(self, name):
        return run("dpkg-deb", "-c", self.debs[name])

    def test_each_package_has_its_part(self):
        self.assertEqual(sorted(self.debs), sorted(NAMES))
        for name, files in (("libsignalbox0", ["libsignalbox.so.0 "]),
                            ("libsignalbox-dev", ["include/signalbox/engine/signalbox.h", "signalbox.pc", "signalbox-config.cmake"]),
                            ("signalbox", ["usr/bin/signalbox", "system/signalbox.service", "signalbox.d.lua", "first.lua", "man1/signalbox.1"]),
                            ("libnginx-mod-signalbox", ["usr/lib/nginx/modules/ngx_signalbox_module.so",
                                                        "modules-available/mod-signalbox.conf"])):
            for file in files:
                self.assertIn(file, self.content(name))

    def test_the_module_fits_one_nginx_only(self):
        self.assertRegex(run("dpkg-deb", "-f", self.debs["libnginx-mod-signalbox"], "Depends"), r"nginx-abi-[\d.]+")

    def test_installing_the_module_reloads_nginx(self):
        control = run("sh", "-c", 'dpkg-deb --ctrl-tarfile "$1" | tar xO ./postinst', "sh", self.debs["libnginx-mod-signalbox"])
        self.assertRegex(control, r"dpkg-trigger.*nginx-reload")

    def next_version(self, name):
        """The same package as the next version, as an upgrade sees it."""
        folder, path = os.path.join(self.folder, name), os.path.join(self.folder, name + "_next.deb")
        run("dpkg-deb", "-R", self.debs[name], folder)
        control = os.path.join(folder, "DEBIAN", "control")
        with open(control, encoding="utf-8") as f:
            text = f.read()
        with open(control, "w", encoding="utf-8") as f:
            f.write(re.sub(r"(\d+\.\d+\.\d+-)1\b(?=\)?$|\),)", r"\g<1>2", text, flags=re.M))
        run("dpkg-deb", "-b", folder, path)
        return "/mnt/" + os.path.basename(path)

    def on_a_copy(self, commands):
        with tempfile.TemporaryDirectory(prefix="sbroot") as root:
            return run("unshare", "-m", "--propagation", "private", "sh", "-c", COPY, "sh", root, self.folder, commands)

    @unittest.skipUnless(os.geteuid() == 0, "an overlay over / needs root")
    def test_they_install_upgrade_and_purge_cleanly(self):
        debs = " ".join("/mnt/" + os.path.basename(self.debs[name]) for name in NAMES)
        newer = " ".join(self.next_version(name) for name in NAMES)
        out = self.on_a_copy("""
dpkg -i %s
dpkg -i %s
signalbox check /usr/share/doc/signalbox/examples/first.lua
test -e /etc/nginx/modules-enabled/50-mod-signalbox.conf
echo 'signalbox { }' >> /etc/nginx/nginx.conf
nginx -t
pkg-config --exists signalbox || true
sed -i '/^signalbox/d' /etc/nginx/nginx.conf
dpkg --purge %s
test ! -e /etc/nginx/modules-enabled/50-mod-signalbox.conf
test ! -e /usr/bin/signalbox
nginx -t
dpkg -l %s 2>/dev/null | grep '^[ihr]' || echo nothing is left
find /usr/lib /usr/bin /usr/include /etc -name '*signalbox*'
echo end of list
""" % (debs, newer, " ".join(reversed(NAMES)), " ".join(NAMES)))
        self.assertEqual(len(re.findall(r"Unpacking \S+ \(\S+-2\) over \(\S+-1\)", out)), len(NAMES), out)
        self.assertRegex(out, r"first.lua: ok")
        self.assertEqual(len(re.findall("test is successful", out)), 2, out)
        self.assertIn("nothing is left\nend of list", out)


if __name__ == "__main__":
    if not shutil.which("dpkg-buildpackage") or not shutil.which("dh_nginx"):
        print("skipped: debhelper and nginx-dev are not installed")
        sys.exit(77)
    unittest.main(verbosity=2, warnings="ignore")
