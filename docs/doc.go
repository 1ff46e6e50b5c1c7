// Package docs keeps the documents true: its tests run every command that they show, load every profile, write the tables
// that come from code, and look up every test and file that they name.
//
//	JAIL_TREE=/path/to/build go test ./docs          # without JAIL_TREE the tests build a tree
//	JAIL_TREE=/path/to/build go test ./docs -update  # writes tables and strace lines anew
//
// Manual pages are kept in the same way: groff must have nothing to say, their lists come from code, and jail(1) has every option.
//
// Jails run as an unprivileged user: a test that was started as root becomes one without an account for them.
//
// In the documents, a fence `console` is a session that is run: lines with "$ " are commands, "> " continues one, the
// others are the output, in which … stands for anything, on a line of its own for any lines. A fence `toml` is a profile
// that is checked; one without a format line is a piece of one that extends default. Other fences are only shown.
package docs
