package cache

// Seal lets the fuzzer reach what is behind the digest.
var Seal = seal

// Magic is what an entry starts with, and SumSize what its digest takes.
const (
	Magic   = magic
	SumSize = 32
)
