package main

// closedAtStart says whether descriptor 0, 1 or 2 was closed when jail started. Go's runtime opens /dev/null in its place
// before any code of ours runs, so only the entry point of entry_*.s can know.
func closedAtStart(fd int) bool { return closedDescriptors>>fd&1 != 0 }

// closedDescriptors has a bit for each of 0, 1 and 2; the entry point sets it.
var closedDescriptors uint8
