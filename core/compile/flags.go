package compile

import "golang.org/x/sys/unix"

// named is a bit, or a value, with the name that manual pages and strace(1) give it. Wider ones come before their parts.
type named struct {
	value uint64
	name  string
}

var (
	openFlagNames = []named{{unix.O_PATH, "O_PATH"}, {unix.O_CREAT, "O_CREAT"}, {unix.O_EXCL, "O_EXCL"},
		{unix.O_NOFOLLOW, "O_NOFOLLOW"}, {unix.O_WRONLY, "O_WRONLY"}, {unix.O_CLOEXEC, "O_CLOEXEC"}, {0, "0"}}
	resolveNames = []named{{unix.RESOLVE_BENEATH, "RESOLVE_BENEATH"}, {unix.RESOLVE_IN_ROOT, "RESOLVE_IN_ROOT"}, {unix.RESOLVE_NO_MAGICLINKS, "RESOLVE_NO_MAGICLINKS"},
		{unix.RESOLVE_NO_SYMLINKS, "RESOLVE_NO_SYMLINKS"}, {0, "0"}}
	mountAttrNames = []named{{unix.MOUNT_ATTR_RDONLY, "MOUNT_ATTR_RDONLY"}, {unix.MOUNT_ATTR_NOSUID, "MOUNT_ATTR_NOSUID"},
		{unix.MOUNT_ATTR_NODEV, "MOUNT_ATTR_NODEV"}, {unix.MOUNT_ATTR_NOEXEC, "MOUNT_ATTR_NOEXEC"}, {0, "0"}}
	propagationNames = []named{{unix.MS_PRIVATE, "MS_PRIVATE"}, {0, "0"}}
	cloneFlagNames   = []named{{unix.CLONE_NEWUSER, "CLONE_NEWUSER"}, {unix.CLONE_NEWPID, "CLONE_NEWPID"},
		{unix.CLONE_NEWNS, "CLONE_NEWNS"}, {unix.CLONE_NEWNET, "CLONE_NEWNET"}, {unix.CLONE_NEWIPC, "CLONE_NEWIPC"},
		{unix.CLONE_NEWUTS, "CLONE_NEWUTS"}, {unix.CLONE_NEWCGROUP, "CLONE_NEWCGROUP"}, {unix.CLONE_PIDFD, "CLONE_PIDFD"},
		{unix.CLONE_CLEAR_SIGHAND, "CLONE_CLEAR_SIGHAND"}}
	atFlagNames = []named{{unix.AT_RECURSIVE, "AT_RECURSIVE"}, {unix.AT_EMPTY_PATH, "AT_EMPTY_PATH"},
		{unix.OPEN_TREE_CLONE, "OPEN_TREE_CLONE"}, {unix.OPEN_TREE_CLOEXEC, "OPEN_TREE_CLOEXEC"}, {0, "0"}}
	moveNames = []named{{unix.MOVE_MOUNT_F_EMPTY_PATH, "MOVE_MOUNT_F_EMPTY_PATH"},
		{unix.MOVE_MOUNT_T_EMPTY_PATH, "MOVE_MOUNT_T_EMPTY_PATH"}, {0, "0"}}
	umountNames   = []named{{unix.MNT_DETACH, "MNT_DETACH"}}
	fsconfigNames = []named{{unix.FSCONFIG_CMD_CREATE, "FSCONFIG_CMD_CREATE"}, {unix.FSCONFIG_SET_STRING, "FSCONFIG_SET_STRING"}}
	prctlNames    = []named{{unix.PR_SET_NAME, "PR_SET_NAME"}, {unix.PR_SET_DUMPABLE, "PR_SET_DUMPABLE"},
		{unix.PR_SET_PDEATHSIG, "PR_SET_PDEATHSIG"}, {unix.PR_SET_SECUREBITS, "PR_SET_SECUREBITS"},
		{unix.PR_GET_SECUREBITS, "PR_GET_SECUREBITS"}, {unix.PR_CAPBSET_DROP, "PR_CAPBSET_DROP"},
		{unix.PR_CAPBSET_READ, "PR_CAPBSET_READ"}, {unix.PR_CAP_AMBIENT, "PR_CAP_AMBIENT"},
		{unix.PR_SET_NO_NEW_PRIVS, "PR_SET_NO_NEW_PRIVS"}, {unix.PR_GET_NO_NEW_PRIVS, "PR_GET_NO_NEW_PRIVS"}}
	rlimitNames = []named{{unix.RLIMIT_CPU, "RLIMIT_CPU"}, {unix.RLIMIT_FSIZE, "RLIMIT_FSIZE"}, {unix.RLIMIT_DATA, "RLIMIT_DATA"},
		{unix.RLIMIT_STACK, "RLIMIT_STACK"}, {unix.RLIMIT_CORE, "RLIMIT_CORE"}, {unix.RLIMIT_RSS, "RLIMIT_RSS"},
		{unix.RLIMIT_NPROC, "RLIMIT_NPROC"}, {unix.RLIMIT_NOFILE, "RLIMIT_NOFILE"}, {unix.RLIMIT_MEMLOCK, "RLIMIT_MEMLOCK"},
		{unix.RLIMIT_AS, "RLIMIT_AS"}, {unix.RLIMIT_LOCKS, "RLIMIT_LOCKS"}, {rlimitSigpending, "RLIMIT_SIGPENDING"},
		{rlimitMsgqueue, "RLIMIT_MSGQUEUE"}, {rlimitNice, "RLIMIT_NICE"}, {rlimitRtprio, "RLIMIT_RTPRIO"}, {rlimitRttime, "RLIMIT_RTTIME"}}
)

// flagTables are the letters of callTable that stand for bits, valueTables those for one name.
var (
	flagTables = map[byte][]named{'O': openFlagNames, 'C': cloneFlagNames, 'T': atFlagNames, 'A': mountAttrNames,
		'V': moveNames, 'D': umountNames}
	valueTables = map[byte][]named{'G': fsconfigNames, 'P': prctlNames, 'L': rlimitNames,
		'c': {{unix.FSOPEN_CLOEXEC, "CLOEXEC"}}, 'e': {{unix.SECCOMP_SET_MODE_FILTER, "SECCOMP_SET_MODE_FILTER"}},
		'g': {{uint64(unix.SIGHUP), "SIGHUP"}, {uint64(unix.SIGCHLD), "SIGCHLD"}}, 'i': {{unix.SIOCSIFFLAGS, "SIOCSIFFLAGS"}},
		'k': {{unix.KEYCTL_JOIN_SESSION_KEYRING, "KEYCTL_JOIN_SESSION_KEYRING"}}, 'm': {{unix.SIG_SETMASK, "SIG_SETMASK"}},
		'r': {{unix.PRIO_PROCESS, "PRIO_PROCESS"}}, 'x': {{unix.STATX_INO, "STATX_INO"}}, 'y': {{unix.AF_INET, "AF_INET"}},
		'z': {{unix.SOCK_DGRAM | unix.SOCK_CLOEXEC, "SOCK_DGRAM|SOCK_CLOEXEC"}}}
)
