// Package pgtemp runs a temporary PostgreSQL server, for `leadctl demo` and for database tests.
//
// It owns the whole life of the server: it finds the binaries or downloads them once, makes the cluster, starts it on a
// private Unix socket, and removes everything when this process ends. It does not know leadctl's tables: package schema
// migrates a database, and package pgtest gives migrated clones to tests.
//
// # The supervising shell
//
// A deferred Stop does not run when the process is killed, so a second process must clean up. That process is a shell
// that runs supervise.sh in its own session:
//
//	/bin/sh -c <supervise.sh> … 3<(read end of a pipe)
//
// This process keeps the write end and never writes to it. When this process ends, by a return, a panic, SIGKILL or
// the kernel's OOM killer, the kernel closes the write end. The shell then reads end of file, sends the server SIGQUIT
// (immediate shutdown), waits for it and removes the directory. Stop closes the pipe and waits. If the server ends
// first, the shell cleans up in the same way.
//
// Alternatives, and why they fail:
//   - This binary, executed again as the supervisor: the go command builds a test binary in a directory of mode 0700,
//     which the unprivileged user of the server cannot enter under root. Each main function would also need a hook.
//   - Pdeathsig: the signal is sent when the thread that forked exits, not the process, and Go ends threads at any
//     time. It exists on Linux only, is cleared when the credentials change, and cannot remove a directory.
//   - pg_ctl start: it detaches the server, so the server remains after a SIGKILL of its parent.
//   - A process group or a signal handler in this process: they cover Ctrl-C, but not SIGKILL.
//
// Not covered is a SIGKILL sent to the supervising shell itself. The server still ends with this process, because the
// shell's watcher process continues, but the directory remains.
//
// # The server's user
//
// PostgreSQL refuses to run as root. Under root, the supervisor and the server run as the user postgres, or as the
// user nobody if postgres does not exist. Otherwise they run as the current user. The directory belongs to that user
// and has mode 0700, which protects the socket: the server accepts connections as the superuser leadctl without a
// password.
//
// # Files that remain
//
// The cluster that initdb makes is kept as an archive, /var/tmp/leadctl-pgtpl-<uid>-<version>.tar, because unpacking
// it takes a fifth of the time of initdb. It is replaced by rename, so several processes can replace it at once. It is
// used only if it is a regular file of the server's user with mode 0600. Downloaded binaries stay in the cache; see
// Options.
package pgtemp
