// Package integration tests jail against the real kernel: what a program inside can see and do, what ends a jail, and what
// is left when one has ended.
//
//	JAIL_TREE=/path/to/build go test ./integration
//
// JAIL_TREE names a tree with bin/jail and libexec/jail; without it the tests build one. Jails run as an unprivileged
// user: a test that was started as root gives each of them a user without an account. Programs that attack refuse to run
// unless they can prove that they are jailed (probe/probe.c). Nothing is skipped: what a test needs and does not find is a
// failure.
package integration
