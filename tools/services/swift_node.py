"""A Swift of one node, as one process with its servers under it.

    prepare FOLDER PORT   checks that Swift runs here, writes the rings of the three storage servers (PORT+1 to PORT+3)
                          into FOLDER/etc, and prints Swift's version
    run FOLDER            serves FOLDER/data until SIGTERM, or until one of the servers ends
"""
import ctypes
import ctypes.util
import os
import signal
import sys

STORAGE = ('account', 'container', 'object')
UPDATER = 'object-updater'
PR_SET_PDEATHSIG = 1

# Swift looks for this library on the machine; it was unpacked beside the others.
find_on_machine = ctypes.util.find_library
ctypes.util.find_library = lambda name: 'libisal.so.2' if name == 'isal' else find_on_machine(name)


class Forgetful:
    """A cache that never has anything, so that every answer comes from the storage servers and no memcached is needed."""

    def get(self, *args, **kwargs):
        return None

    def set(self, *args, **kwargs):
        pass

    delete = set


def no_cache(global_conf, **local_conf):
    """The filter that gives the proxy its cache."""
    def filtered(app):
        def respond(environ, start_response):
            environ['swift.cache'] = Forgetful()
            return app(environ, start_response)
        return respond
    return filtered


def prepare(folder, port):
    import swift
    import swift.proxy.server  # noqa: F401  fails here and not later when something is missing
    from swift.common.ring import RingBuilder
    probe = os.path.join(folder, 'data', 'probe')
    try:
        with open(probe, 'w') as file:
            os.setxattr(file.fileno(), 'user.swift.metadata', b'x')
        os.unlink(probe)
    except OSError as error:
        sys.exit('%s cannot hold extended attributes (%s): set TMPDIR to a folder on another file system' % (folder, error))
    for offset, name in enumerate(STORAGE, 1):
        address = {'ip': '127.0.0.1', 'port': port + offset, 'replication_ip': '127.0.0.1', 'replication_port': port + offset}
        ring = RingBuilder(part_power=4, replicas=1, min_part_hours=0)
        ring.add_dev({'region': 1, 'zone': 1, 'device': 'disk', 'weight': 1.0, 'meta': '', **address})
        ring.rebalance(seed=1)
        ring.get_ring().save(os.path.join(folder, 'etc', name + '.ring.gz'))
    print(swift.__version__)


def serve(etc, name):
    """Becomes one of the servers."""
    if name == UPDATER:
        from swift.common.daemon import run_daemon
        from swift.obj.updater import ObjectUpdater
        run_daemon(ObjectUpdater, os.path.join(etc, 'object.conf'), section_name=name)
    else:
        from swift.common.wsgi import run_wsgi
        sys.exit(run_wsgi(os.path.join(etc, name + '.conf'), name + '-server'))


def run(folder):
    from swift.common import utils
    etc = os.path.join(folder, 'etc')
    os.makedirs(os.path.join(folder, 'data', 'disk'), exist_ok=True)
    utils.set_swift_dir(etc)
    parent = os.getpid()
    servers = set()
    for name in STORAGE + ('proxy', UPDATER):
        pid = os.fork()
        if pid:
            servers.add(pid)
            continue
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() == parent:
            serve(etc, name)
        os._exit(1)

    def stop(*_):
        for pid in servers:
            os.kill(pid, signal.SIGTERM)

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    while servers:
        pid, status = os.wait()
        servers.discard(pid)
        print('server %d ended with status %d' % (pid, status), flush=True)
        stop()


if __name__ == '__main__':
    # The configuration names a function of this file as one of a module.
    sys.modules['swift_node'] = sys.modules['__main__']
    if sys.argv[1] == 'prepare':
        prepare(sys.argv[2], int(sys.argv[3]))
    else:
        run(sys.argv[2])
