// Package guest runs jail on other kernels and another architecture, in virtual machines that are emulated.
//
//	make test-guest
//
// Each guest has one static jail and plan files that this machine made, and nothing else of ours. guest/inside are the
// tests that run there, guest/init starts them, guest/probe is what they jail. Each of them is a subtest here.
package guest
