// Package pgtemp runs a throwaway PostgreSQL: `leadctl demo` and every database test stand on one.
//
// It owns the server's whole life: finding the binaries (or fetching them once), making the cluster, starting it on a
// private unix socket, and making sure that nothing is left when this process ends. It knows nothing of leadctl's tables;
// package schema brings a fresh database to its version, and package pgtest hands migrated clones to tests.
//
// # Why a shell stands between us and the server
//
// A deferred Stop does not run when the process is killed, so something that outlives us has to clean up. That something
// is supervise.sh, started as
//
//	/bin/sh -c <supervise.sh> … 3<(read end of a pipe)
//
// in a session of its own. We keep the write end and never write. Whatever ends this process, a return, a panic, SIGKILL
// or the machine's OOM killer, the kernel closes that end; the shell reads end of file, sends the server SIGQUIT (its
// immediate shutdown), waits for it and removes the directory. Stop does no more than close the pipe and wait. Should
// the server end first, the shell cleans up just the same.
//
// The other ways, and why not:
//   - Re-executing our own binary as the guard fails where it matters most: a test binary lies in a 0700 directory of
//     root's, which the unprivileged user that PostgreSQL demands cannot enter. It would also need a hook in every main.
//   - Pdeathsig is sent when the thread that forked exits, not the process, and Go retires threads as it likes. It is
//     known to Linux only, it is lost when the credentials change, and it could not remove a directory.
//   - pg_ctl start detaches the server on purpose: after a SIGKILL of its parent an orphan remains.
//   - A process group or a signal handler in this process covers Ctrl-C, and nothing sudden.
//
// What is not covered: SIGKILL sent to the supervising shell itself. The server still ends with this process, since the
// shell's watcher lives on, but the directory stays.
//
// # Who the server runs as
//
// PostgreSQL refuses to run as root. Under root, everything the supervisor does is done as the user postgres, or nobody
// where there is none. Under anybody else it is done as they. The directory is the server's user's own with mode 0700,
// which is what guards the socket: those who may enter it are let in without a password as the superuser leadctl.
//
// # What stays on disk
//
// The cluster made by initdb is kept as one archive, /var/tmp/leadctl-pgtpl-<uid>-<version>.tar, since unpacking it takes
// a fifth of the time of making it. It is replaced by rename, so any number of processes may do so at once, and it is
// used only when it is a plain file of the server's user with mode 0600. Fetched binaries stay in the cache; see Options.
package pgtemp
